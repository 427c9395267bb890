#include "core/vendor/first_value.h"

#include "core/json/json.h"

#include <vector>

namespace wearables {
namespace {

class FirstValueSink final : public RecordSink {
 public:
  FirstValueSink(std::span<const std::string_view> paths, Wanted wanted) : wanted_(wanted) {
    for (const std::string_view path : paths) slots_.push_back(fields_.add(path));
  }

  const FieldSet& fields() const noexcept { return fields_; }
  const FoundValue& found() const noexcept { return found_; }

  void record(const Record& record) override {
    if (!record.is_object || record.list != nullptr || record.index != Record::kNotListed) return;
    for (const std::uint16_t slot : slots_) {
      const Value& value = record.fields[slot];
      if (!value.present() || (wanted_ == Wanted::kTexts && value.kind != Kind::kString)) continue;
      // the text of any other kind is what an earlier body has left
      const bool has_text = value.kind == Kind::kString || value.kind == Kind::kNumber;
      found_ = {value.kind, has_text ? std::string(value.text) : std::string(), value.number};
      return;
    }
  }

 private:
  const Wanted wanted_;
  FieldSet fields_;
  std::vector<std::uint16_t> slots_;
  FoundValue found_;
};

}  // namespace

Result<FoundValue> first_value(std::string_view body, std::span<const std::string_view> paths, Wanted wanted) {
  FirstValueSink sink(paths, wanted);
  const auto walked = walk_objects(body, sink.fields(), sink);
  if (!walked.ok()) return walked.error();
  return sink.found();
}

}  // namespace wearables
