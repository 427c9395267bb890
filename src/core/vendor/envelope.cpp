#include "core/vendor/envelope.h"

#include "core/json/json.h"
#include "core/json/json_text.h"
#include "core/base/text.h"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace wearables {
namespace {

constexpr std::size_t kMaxText = 500;

// Fields in the order in which the readers below number them; made once, never destroyed.
const FieldSet& fields_of(const FieldSet*& kept, std::initializer_list<const char*> paths) {
  if (kept == nullptr) {
    auto* made = new FieldSet;
    for (const char* path : paths) made->add(path);
    kept = made;
  }
  return *kept;
}

// What a column can hold, else nothing.
std::string text_of(const Value& value) {
  const bool usable = value.kind == Kind::kString && is_printable(value.text, kMaxText);
  return usable ? std::string(value.text) : std::string();
}

// Who is meant: a text that is not blank, or a number as it is written. Cut, it would be somebody
// else.
std::string_view id_in(const Value& value) {
  const bool may_name = value.kind == Kind::kNumber || value.kind == Kind::kString;
  const bool named = may_name && is_printable(value.text, kMaxText) && !shows_nothing(value.text);
  return named ? value.text : std::string_view();
}

std::string first_id(std::span<const Value> fields, std::initializer_list<std::size_t> slots) {
  for (const std::size_t slot : slots) {
    if (const std::string_view id = id_in(fields[slot]); !id.empty()) return std::string(id);
  }
  return {};
}

// Of a long text what would be kept of it: this is asked before every member of a body.
bool names_type(const Value& value) {
  return value.kind == Kind::kString && !shows_nothing(value.text.substr(0, kMaxEventType));
}

std::string first_type(std::span<const Value> fields, std::initializer_list<std::size_t> slots) {
  for (const std::size_t slot : slots) {
    if (names_type(fields[slot])) return printable(fields[slot].text, kMaxEventType);
  }
  return {};
}

std::string first_text(std::span<const Value> fields, std::initializer_list<std::size_t> slots) {
  for (const std::size_t slot : slots) {
    if (std::string text = text_of(fields[slot]); !text.empty()) return text;
  }
  return {};
}

Micros instant_of(const Value& value) {
  const auto parsed = parse_instant(text_of(value));
  const bool plausible = parsed && parsed->at >= kEarliestInstant && parsed->at <= kLatestInstant;
  return plausible ? parsed->at : kNoInstant;
}

const FieldSet& envelope_fields() {
  static const FieldSet* fields = nullptr;
  return fields_of(fields, {"event_type", "user_id", "data.user_id", "client_user_id", "type"});
}

constexpr std::size_t kEnvelopeFields = 5;

Envelope envelope_of(std::span<const Value> fields) {
  return {true, false, first_type(fields, {0, 4}), first_id(fields, {1, 2}), first_id(fields, {3})};
}

bool known(const Value& value) { return value.kind != Kind::kMissing; }

// The second choice settles nothing while the first may still come.
bool envelope_known(std::span<const Value> fields) {
  return known(fields[3]) && (names_type(fields[0]) || (known(fields[0]) && known(fields[4]))) &&
         (!id_in(fields[1]).empty() || (known(fields[1]) && known(fields[2])));
}

// As a rule all of it stands before the data.
constexpr std::size_t kHead = 1024;

// The head of an object closed as if it ended there. Right only where another member begins behind
// what is looked for: what the cut went through is none.
bool peek_at_head(std::string_view body, Envelope& envelope) {
  for (const char* end : {"}", "\"}"}) {
    std::array<Value, kEnvelopeFields> values{};
    const auto peeked = peek_object(std::string(body.substr(0, kHead)) + end, envelope_fields(),
                                    values, envelope_known);
    if (!peeked.ok() || !peeked.value()) continue;
    envelope = envelope_of(values);
    return true;
  }
  return false;
}

class EnvelopeSink final : public RecordSink {
 public:
  explicit EnvelopeSink(Envelope& envelope) : envelope_(envelope) {}

  // Of a list of events only what they agree on: a reading must not land with the wrong person.
  void record(const Record& record) override {
    const Envelope next = envelope_of(record.fields);
    const bool is_deep = envelope_.is_deep;
    if (first_) envelope_ = next;
    envelope_.is_deep = is_deep;
    first_ = false;
    for (auto field :
         {&Envelope::event_type, &Envelope::external_user_id, &Envelope::client_user_id}) {
      if (envelope_.*field != next.*field) (envelope_.*field).clear();
    }
  }

  void too_deep() override { envelope_.is_deep = true; }

 private:
  Envelope& envelope_;
  bool first_ = true;
};

// Hands the first record to `read`.
template <class Read>
class FirstRecord final : public RecordSink {
 public:
  explicit FirstRecord(Read read) : read_(read) {}

  void record(const Record& record) override {
    if (first_) read_(record.fields);
    first_ = false;
  }

 private:
  Read read_;
  bool first_ = true;
};

template <class Notice, class Read>
Result<Notice> read_notice(std::string_view body, const FieldSet& fields, Read read) {
  Notice notice;
  FirstRecord sink([&](std::span<const Value> values) { read(values, notice); });
  if (const auto walked = walk_objects(body, fields, sink); !walked.ok()) return walked.error();
  if (notice.provider.empty()) return {Code::kUnexpectedShape, "no provider where a notice has it"};
  return notice;
}

}  // namespace

Envelope read_envelope(std::string_view body) {
  Envelope envelope;
  EnvelopeSink sink(envelope);
  const auto walked = walk_objects(body, envelope_fields(), sink);
  if (!walked.ok()) return {};
  envelope.is_json = true;
  return envelope;
}

Envelope peek_envelope(std::string_view body) {
  Envelope envelope;
  if (body.size() > kHead && peek_at_head(body, envelope)) return envelope;
  std::array<Value, kEnvelopeFields> values{};
  const auto peeked = peek_object(body, envelope_fields(), values, envelope_known);
  if (!peeked.ok()) return {};
  // a list of events, or nothing to be found
  if (std::none_of(values.begin(), values.end(), known)) return read_envelope(body);
  return envelope_of(values);
}

Result<ConnectionNotice> read_connection(std::string_view body) {
  static const FieldSet* fields = nullptr;
  const FieldSet& set =
      fields_of(fields, {"data.provider.slug", "data.provider", "data.source.slug", "data.source",
                         "data.external_user_id", "data.error_type"});
  return read_notice<ConnectionNotice>(body, set,
                                       [](std::span<const Value> values, ConnectionNotice& notice) {
                                         notice.provider = first_text(values, {0, 1, 2, 3});
                                         notice.external_user_id = first_id(values, {4});
                                         notice.error_type = first_text(values, {5});
                                       });
}

Result<BackfillNotice> read_backfill_notice(std::string_view body) {
  static const FieldSet* fields = nullptr;
  const FieldSet& set = fields_of(
      fields, {"data.provider.slug", "data.provider", "data.start_date", "data.end_date"});
  return read_notice<BackfillNotice>(body, set,
                                     [](std::span<const Value> values, BackfillNotice& notice) {
                                       notice.provider = first_text(values, {0, 1});
                                       notice.from = instant_of(values[2]);
                                       notice.to = instant_of(values[3]);
                                     });
}

std::string storable_json(std::string_view text) {
  std::string replaced;
  std::string storable =
      without_far_items(replace_unstorable_values(text, &replaced) ? replaced : text);
  for (std::size_t at = find_unstorable_escape(storable, 0); at < storable.size();
       at = find_unstorable_escape(storable, at)) {
    storable.replace(at, 6, "\\ufffd");
  }
  std::size_t at = 0;
  for (auto number = find_unstorable_number(storable, at); !number.empty();
       number = find_unstorable_number(storable, at)) {
    at = static_cast<std::size_t>(number.data() - storable.data());
    storable.replace(at, number.size(), std::string(number.size(), ' ').replace(0, 4, "null"));
  }
  return storable;
}

}  // namespace wearables
