#include "core/vendor/envelope.h"

#include "core/base/assert.h"
#include "core/base/text.h"
#include "core/json/json.h"
#include "core/vendor/vendor.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace wearables {
namespace {

// The paths of some fields, and where a walk puts what stands there.
using Slots = std::vector<std::uint16_t>;

Slots slots_of(FieldSet& fields, MemberPaths paths) {
  Slots slots;
  for (const std::string_view path : paths) slots.push_back(fields.add(path));
  WEARABLES_ASSERT(!slots.empty());
  return slots;
}

struct EnvelopeFields {
  explicit EnvelopeFields(const EnvelopePaths& paths)
      : event_type(slots_of(set, paths.event_type)),
        user(slots_of(set, paths.external_user_id)),
        client(slots_of(set, paths.client_user_id)) {
    for (const MemberPaths choices : {paths.event_type, paths.external_user_id, paths.client_user_id}) {
      const std::string_view first = choices.front();
      first_members.push_back(first.substr(0, first.find('.')));
    }
  }

  FieldSet set;
  Slots event_type, user, client;
  std::vector<std::string_view> first_members;  // of the body, that hold the first choice for each field
};

struct ConnectionFields {
  explicit ConnectionFields(const ConnectionPaths& paths)
      : provider(slots_of(set, paths.provider)),
        user(slots_of(set, paths.provider_user_id)),
        error_type(slots_of(set, paths.error_type)) {}

  FieldSet set;
  Slots provider, user, error_type;
};

struct BackfillFields {
  explicit BackfillFields(const BackfillPaths& paths)
      : provider(slots_of(set, paths.provider)), from(slots_of(set, paths.from)), to(slots_of(set, paths.to)) {}

  FieldSet set;
  Slots provider, from, to;
};

struct StreamFields {
  explicit StreamFields(const StreamPaths& paths) {
    if (paths.document.empty()) return;  // the vendor has no such events
    document = slots_of(set, paths.document);
    provider = slots_of(set, paths.provider);
    source_type = slots_of(set, paths.source_type);
  }

  FieldSet set;
  Slots document, provider, source_type;
};

// A vendor's paths, compiled.
struct VendorFields {
  explicit VendorFields(const Vendor& of)
      : vendor(&of), envelope(of.envelope), connection(of.connection), backfill(of.backfill), stream(of.stream) {}

  const Vendor* vendor;
  EnvelopeFields envelope;
  ConnectionFields connection;
  BackfillFields backfill;
  StreamFields stream;
};

// Made once for each vendor and never destroyed: a backend's exit runs no destructor of ours.
const VendorFields& fields_of(const Vendor& vendor) {
  static auto* const compiled = new std::vector<std::unique_ptr<const VendorFields>>;
  for (const auto& fields : *compiled) {
    if (fields->vendor == &vendor) return *fields;
  }
  const VendorFields& made = *compiled->emplace_back(std::make_unique<const VendorFields>(vendor));
  WEARABLES_ASSERT(made.envelope.set.is_consistent() && made.connection.set.is_consistent() &&
                   made.backfill.set.is_consistent() && made.stream.set.is_consistent());
  return made;
}

// What a column can hold, else nothing.
std::string storable_text(const Value& value) {
  const bool usable = value.kind == Kind::kString && is_printable(value.text, kMaxNamedText);
  return usable ? std::string(value.text) : std::string();
}

// Who is meant: a text that is not blank, or a number as it is written. Cut, it would be somebody
// else.
std::string_view id_in(const Value& value) {
  const bool may_name = value.kind == Kind::kNumber || value.kind == Kind::kString;
  const bool named = may_name && is_printable(value.text, kMaxNamedText) && !shows_nothing(value.text);
  return named ? value.text : std::string_view();
}

std::string first_id(std::span<const Value> fields, const Slots& slots) {
  for (const std::uint16_t slot : slots) {
    if (const std::string_view id = id_in(fields[slot]); !id.empty()) return std::string(id);
  }
  return {};
}

// Of a long text what would be kept of it.
bool names_type(const Value& value) {
  return value.kind == Kind::kString && !shows_nothing(value.text.substr(0, kMaxEventType));
}

std::string first_type(std::span<const Value> fields, const Slots& slots) {
  for (const std::uint16_t slot : slots) {
    if (names_type(fields[slot])) return printable(fields[slot].text, kMaxEventType);
  }
  return {};
}

std::string first_text(std::span<const Value> fields, const Slots& slots) {
  for (const std::uint16_t slot : slots) {
    if (std::string text = storable_text(fields[slot]); !text.empty()) return text;
  }
  return {};
}

Micros first_instant(std::span<const Value> fields, const Slots& slots, Micros after_a_date = 0) {
  const auto parsed = parse_instant(first_text(fields, slots));
  const bool plausible = parsed && parsed->at >= kEarliestInstant && parsed->at <= kLatestInstant;
  if (!plausible) return kNoInstant;
  return parsed->date_only ? parsed->at + after_a_date : parsed->at;
}

Envelope envelope_of(const EnvelopeFields& fields, std::span<const Value> values) {
  return {true, false, first_type(values, fields.event_type), first_id(values, fields.user),
          first_id(values, fields.client)};
}

// A small body in place of a large one, for read_envelope(): {"event_type":"e","user_id":"u"} of
// {"event_type":"e","data":[...],"user_id":"u",...}. It holds the members with the first choice for each field, as they
// are written. Empty where they cannot be told: none is there, the scan ends before the object does, or a name has
// escapes and may be any.
std::string first_choices(std::string_view body, const std::vector<std::string_view>& wanted) {
  std::string object;
  std::vector<std::string_view> missing = wanted;
  MemberScan scan(body);
  while (!missing.empty() && scan.next()) {
    if (scan.name().find('\\') != std::string_view::npos) return {};
    if (std::find(wanted.begin(), wanted.end(), scan.name()) == wanted.end()) continue;
    std::erase(missing, scan.name());
    object.append(object.empty() ? "{" : ",").append(scan.member());
  }
  const bool complete = missing.empty() || scan.ended();
  return complete && !object.empty() ? object + '}' : std::string();
}

class EnvelopeSink final : public RecordSink {
 public:
  EnvelopeSink(const EnvelopeFields& fields, Envelope& envelope) : fields_(fields), envelope_(envelope) {}

  // Of a list of events only what they agree on: a reading must not land with the wrong person.
  void record(const Record& record) override {
    const Envelope next = envelope_of(fields_, record.fields);
    if (first_) envelope_ = next;
    first_ = false;
    for (auto field : {&Envelope::event_type, &Envelope::external_user_id, &Envelope::client_user_id}) {
      if (envelope_.*field != next.*field) (envelope_.*field).clear();
    }
  }

 private:
  const EnvelopeFields& fields_;
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
  if (notice.provider.empty()) return {Code::kUnexpectedShape, "the notice names no provider"};
  return notice;
}

}  // namespace

Envelope read_envelope(const Vendor& vendor, std::string_view body) {
  const EnvelopeFields& fields = fields_of(vendor).envelope;
  Envelope envelope;
  EnvelopeSink sink(fields, envelope);
  const auto walked = walk_objects(body, fields.set, sink);
  if (!walked.ok()) return {};
  envelope.is_json = true;
  envelope.is_deep = walked.value().is_too_deep;
  return envelope;
}

Envelope peek_envelope(const Vendor& vendor, std::string_view body) {
  const EnvelopeFields& fields = fields_of(vendor).envelope;
  if (const std::string object = first_choices(body, fields.first_members); !object.empty()) {
    Envelope envelope = read_envelope(vendor, object);
    const auto decided = [](const std::string& found, const Slots& choices) {
      return !found.empty() || choices.size() == 1;
    };
    if (decided(envelope.event_type, fields.event_type) && decided(envelope.external_user_id, fields.user) &&
        decided(envelope.client_user_id, fields.client)) {
      return envelope;
    }
  }
  return read_envelope(vendor, body);
}

Result<ConnectionNotice> read_connection(const Vendor& vendor, std::string_view body) {
  const ConnectionFields& fields = fields_of(vendor).connection;
  return read_notice<ConnectionNotice>(body, fields.set, [&](std::span<const Value> values, ConnectionNotice& notice) {
    notice.provider = first_text(values, fields.provider);
    notice.provider_user_id = first_id(values, fields.user);
    notice.error_type = first_text(values, fields.error_type);
  });
}

Result<Done> keep_offered(const Vendor& vendor, std::string_view body, std::vector<std::string>& resources) {
  const ConnectionPaths& paths = vendor.connection;
  if (paths.offers.empty()) return Done{};
  constexpr std::size_t kNoSlot = static_cast<std::size_t>(-1);
  FieldSet fields;
  std::vector<std::size_t> slots;  // of each resource
  for (const std::string& resource : resources) {
    std::string path(paths.offers);
    path.append(".").append(resource).append(".").append(paths.offer_state);
    slots.push_back(FieldSet::valid(path) ? fields.add(path) : kNoSlot);
  }
  std::vector<std::string> offered;
  bool says = false;
  FirstRecord sink([&](std::span<const Value> values) {
    for (std::size_t i = 0; i < resources.size(); ++i) {
      if (slots[i] == kNoSlot || values[slots[i]].kind != Kind::kString) continue;
      says = true;
      if (values[slots[i]].text != paths.not_offered) offered.push_back(resources[i]);
    }
  });
  if (const auto walked = walk_objects(body, fields, sink); !walked.ok()) return walked.error();
  if (says) resources = std::move(offered);
  return Done{};
}

Result<BackfillNotice> read_backfill_notice(const Vendor& vendor, std::string_view body) {
  const BackfillFields& fields = fields_of(vendor).backfill;
  return read_notice<BackfillNotice>(body, fields.set, [&](std::span<const Value> values, BackfillNotice& notice) {
    notice.provider = first_text(values, fields.provider);
    notice.from = first_instant(values, fields.from);
    // a bare date means the end of that day
    notice.to = first_instant(values, fields.to, kMicrosPerDay);
  });
}

Result<StreamNotice> read_stream_notice(const Vendor& vendor, std::string_view body) {
  const StreamFields& fields = fields_of(vendor).stream;
  StreamNotice notice;
  FirstRecord sink([&](std::span<const Value> values) {
    notice.document_id = first_id(values, fields.document);
    notice.provider = first_text(values, fields.provider);
    notice.source_type = first_text(values, fields.source_type);
  });
  if (const auto walked = walk_objects(body, fields.set, sink); !walked.ok()) return walked.error();
  return notice;
}

}  // namespace wearables
