// What a walk finds, written down, as a row of a table.
#pragma once

#include "core/json/json.h"

#include <cmath>
#include <initializer_list>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace wearables::testing {

inline std::string shown(const Value& value) {
  switch (value.kind) {
    case Kind::kMissing:
      return "-";
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return "bool";
    case Kind::kNumber:
      return std::isinf(value.number) ? "inf:" + std::string(value.text) : std::string(value.text);
    case Kind::kString:
      return "'" + std::string(value.text) + "'";
    case Kind::kObject:
      return "{}";
    case Kind::kBareWord:
      return "word";
    default:
      return "[]";
  }
}

// Writes down what a walk calls, one line each.
class Notes final : public RecordSink {
 public:
  // Whether it is told where the text of a record stands.
  enum class Places { kTold, kLeftOut };
  explicit Notes(Places places = Places::kTold) : places_(places) {}

  void begin_list(std::span<const Value> source, std::string_view group) override {
    text_ << "list";
    for (const Value& value : source) text_ << ' ' << shown(value);
    text_ << (group.empty() ? "" : " of ") << group << '\n';
  }

  void end_list() override { text_ << "end\n"; }

  void record(const Record& record) override {
    text_ << record.pointer();
    if (!record.is_object) text_ << (record.too_deep ? " too deep" : " no object");
    if (record.is_object) {
      for (const Value& value : record.fields) text_ << ' ' << shown(value);
      for (const auto& [list, left_out] : record.lists) {
        text_ << " |";
        for (const Value& value : list) text_ << ' ' << shown(value);
      }
    }
    if (record.length > 0 && places_ == Places::kTold) text_ << ' ' << record.offset << '+' << record.length;
    text_ << '\n';
  }

  std::string text() const { return text_.str(); }

 private:
  const Places places_;
  std::ostringstream text_;
};

inline std::string outcome(const Result<WalkFindings>& done, const Notes& notes) {
  if (done.ok()) return notes.text();
  switch (done.error().code) {
    case Code::kInvalidJson:
      return "invalid";
    case Code::kUnexpectedShape:
      return "shape";
    default:
      return "stopped";
  }
}

inline FieldSet fields(std::initializer_list<const char*> paths) {
  FieldSet set;
  for (const char* path : paths) set.add(path);
  return set;
}

inline std::string samples(std::string_view body) {
  const FieldSet set = fields({"v"});
  const FieldSet source = fields({"provider"});
  Notes notes;
  return outcome(walk_timeseries(body, set, source, notes, nullptr), notes);
}

struct Case {
  std::string body;
  std::string expected;
};

}  // namespace wearables::testing
