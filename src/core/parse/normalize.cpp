#include "core/parse/normalize.h"

#include "core/base/assert.h"
#include "core/json/json.h"
#include "core/json/json_text.h"
#include "core/parse/plan.h"
#include "core/parse/readings.h"
#include "core/base/text.h"
#include "core/write/version.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace wearables {
namespace {

constexpr std::size_t kMaxId = 200;

std::string_view string_in(const Value& value) noexcept {
  return value.kind == Kind::kString ? value.text : std::string_view();
}

class SampleSink final : public RecordSink {
 public:
  SampleSink(const Plan::Impl& plan, const PlanResource& resource, std::size_t body_size, Batch& batch,
             const ClosedNames* closed, std::span<const Refusal> refused)
      : plan_(plan), resource_(resource), readings_(plan, resource, body_size, batch, closed, refused) {}

  void begin_list(std::span<const Value> source, std::string_view group) override;
  void end_list() override;
  void record(const Record& record) override;
  void finish() { readings_.finish(); }
  bool is_balanced() const noexcept { return lists_.empty(); }  // every list that began has ended

 private:
  struct List {
    std::uint16_t source;
    const Readings::Mappings* mappings;
    std::vector<Value> fields = {};       // of the source, where mappings look at them
    std::vector<std::string> texts = {};  // what fields point to
  };

  static void keep_fields(std::span<const Value> source, List& list);

  const Plan::Impl& plan_;
  const PlanResource& resource_;
  Readings readings_;
  std::vector<List> lists_;
};

void SampleSink::begin_list(std::span<const Value> source, std::string_view group) {
  readings_.note_texts(plan_.source_texts, source);
  std::string_view provider = string_in(source[kSourceProvider]);
  if (provider.empty()) provider = string_in(source[kSourceSlug]);
  if (provider.empty()) provider = group;
  lists_.push_back(
      {readings_.source(provider, string_in(source[kSourceType]), "timeseries"), &resource_.mappings_for(provider)});
  if (resource_.reads_source) keep_fields(source, lists_.back());
  readings_.begin_series();
}

// The texts of the source are good until the walk goes on, and the list is as long as it is.
void SampleSink::keep_fields(std::span<const Value> source, List& list) {
  list.fields.assign(source.begin(), source.end());
  list.texts.reserve(source.size());  // a text that moved would leave its field behind
  for (Value& field : list.fields) {
    if (field.kind == Kind::kString || field.kind == Kind::kNumber) field.text = list.texts.emplace_back(field.text);
  }
}

// What comes behind a list within a list is its own, too.
void SampleSink::end_list() {
  lists_.pop_back();
  readings_.begin_series();
}

void SampleSink::record(const Record& record) {
  WEARABLES_ASSERT(!lists_.empty());
  const List& list = lists_.back();
  readings_.start(record, list.fields);
  if (!record.is_object) return readings_.reject_form(record);
  if (!readings_.is_source(list.source)) return readings_.reject_source(list.source);
  if (!readings_.add(*list.mappings, list.source, kNone)) readings_.reject_missing_value(*list.mappings);
}

class DocumentSink final : public RecordSink {
 public:
  DocumentSink(const Plan::Impl& plan, const PlanResource& resource, std::string_view body, Batch& batch,
               const ClosedNames* closed, std::span<const Refusal> refused, const StreamSubject* subject)
      : resource_(resource),
        body_(body),
        subject_(subject),
        batch_(batch),
        readings_(plan, resource, body.size(), batch, closed, refused) {
    if (subject != nullptr) readings_.limit_to(subject->from, subject->to);
  }

  void record(const Record& record) override;
  void finish() { readings_.finish(); }
  bool is_balanced() const noexcept { return true; }

 private:
  std::string_view id() const;
  std::string instead_of_id(const SourceRef& source);
  Session session();
  void note_channel(std::uint32_t index, std::string_view provider);
  std::string_view provider() const;
  std::string_view source_type() const;
  bool holds_stream(const Record& record) const;
  void add_stream(std::uint32_t holder);

  const PlanResource& resource_;
  const std::string_view body_;
  const StreamSubject* const subject_;  // null: documents tell of themselves
  Batch& batch_;
  Readings readings_;
};

// A name, or a whole number as it is written; empty when there is neither.
std::string_view DocumentSink::id() const {
  std::string_view id;
  if (subject_ != nullptr) {
    id = subject_->id;
  } else {
    const Value& value = readings_.field(resource_.id);
    const bool integer = value.kind == Kind::kNumber && value.text.find_first_of(".eE") == std::string_view::npos;
    if (value.kind == Kind::kString || integer) id = value.text;
  }
  return is_printable(id, kMaxId) ? id : std::string_view();
}

std::string_view DocumentSink::provider() const {
  if (subject_ != nullptr) return subject_->provider;
  for (const std::uint16_t slot :
       {resource_.provider, resource_.slug, resource_.flat_provider, resource_.bare_provider}) {
    if (const auto text = string_in(readings_.field(slot)); !text.empty()) return text;
  }
  return {};
}

std::string_view DocumentSink::source_type() const {
  if (subject_ != nullptr) return subject_->source_type;
  const std::string_view type = string_in(readings_.field(resource_.source_type));
  return type.empty() ? string_in(readings_.field(resource_.flat_type)) : type;
}

// Of a name as part of an identity: so that "a/b" and "c" are not "a" and "b/c".
std::string escaped(std::string_view name) {
  std::string result;
  for (const char c : name) {
    if (c == '/' || c == '%') {
      result += c == '/' ? "%2F" : "%25";
    } else {
      result += c;
    }
  }
  return result;
}

// By which a document of a day or a source is known; empty where it is known by its id, as one of a day is that does
// not say which.
std::string DocumentSink::instead_of_id(const SourceRef& source) {
  const OnePer one_per = resource_.def.one_per;
  if (one_per == OnePer::kId) return {};
  std::string identity = escaped(source.provider) + '/' + escaped(source.type);
  if (one_per == OnePer::kSource) return identity;
  std::string_view day = readings_.calendar_date(resource_.calendar_date);
  if (day.empty()) day = readings_.calendar_date(resource_.date);
  return day.empty() ? std::string() : identity.append(1, '/').append(day);
}

Session DocumentSink::session() {
  if (resource_.session_start == PlanMapping::kNoField || resource_.session_end == PlanMapping::kNoField) return {};
  const Session session{readings_.plausible_instant(resource_.session_start),
                        readings_.plausible_instant(resource_.session_end)};
  const bool is_one = session.start != kNoInstant && session.end != kNoInstant && session.start <= session.end &&
                      session.end - session.start <= kLongestSession;
  return is_one ? session : Session{};
}

// A session belongs to the channel that the document says, and not to that of the readings it happens to have: a nap
// without any is none of the night.
void DocumentSink::note_channel(std::uint32_t index, std::string_view provider) {
  if (!batch_.documents[index].session.exists()) return;
  const std::string_view channel = readings_.channel_of(resource_.mappings_for(provider));
  if (channel.empty()) return;
  const SourceRef of = batch_.sources[batch_.documents[index].source];  // by value: another source may move it
  const std::uint16_t source = readings_.source(of.provider, of.type, channel);
  if (!readings_.is_source(source)) return readings_.reject_source(source);
  batch_.documents[index].session_source = source;
}

// Whether an object stands where the document may hold its stream, and in it any of the lists that are read. Most
// documents hold null there, and an empty object says no more than that.
bool DocumentSink::holds_stream(const Record& record) const {
  if (resource_.stream_field == PlanMapping::kNoField) return false;
  if (readings_.field(resource_.stream_field).kind != Kind::kObject) return false;
  return std::any_of(resource_.mappings.begin(), resource_.mappings.end(), [&](const PlanMapping& mapping) {
    return mapping.of_stream && std::any_of(mapping.lists.begin(), mapping.lists.end(),
                                            [&](std::uint16_t list) { return !record.lists[list].rows.empty(); });
  });
}

// The stream within the document before it: known by its id, of its source and as new, but a document of its own (R4).
void DocumentSink::add_stream(std::uint32_t holder) {
  std::vector<Document>& documents = batch_.documents;
  const SourceRef of = batch_.sources[documents[holder].source];  // by value: another source may move it
  const std::uint16_t source = readings_.source(of.provider, of.type, resource_.stream);
  readings_.begin_series();
  if (!readings_.is_source(source)) return readings_.reject_source(source);
  if (documents.size() == kMaxDocuments) return readings_.reject_reading(Reason::kTooManyDocuments);
  Document stream = documents[holder];
  const auto index = static_cast<std::uint32_t>(documents.size());
  stream.instead_of_id.clear();
  stream.part = part_of(stream.id);
  stream.source = source;
  stream.offset = static_cast<std::size_t>(readings_.field(resource_.stream_field).number);
  stream.length = end_of_value(body_, stream.offset) - stream.offset;
  stream.is_stream = true;
  readings_.limit_to(stream.session.start, stream.session.end);
  stream.session = {};
  stream.session_source = kNoSessionSource;
  documents.push_back(std::move(stream));
  readings_.add(resource_.stream_mappings_for(of.provider), source, index);
  readings_.limit_to(kNoInstant, kNoInstant);
}

void DocumentSink::record(const Record& record) {
  readings_.start(record);
  readings_.begin_series();
  if (!record.is_object) return readings_.reject_form(record);
  const std::string_view id = this->id();
  if (id.empty()) return readings_.reject_reading(Reason::kMissingId);
  const std::string_view provider = this->provider();
  const std::uint16_t source = readings_.source(provider, source_type(), resource_.def.name);
  if (!readings_.is_source(source)) return readings_.reject_source(source);
  std::vector<Document>& documents = batch_.documents;
  if (documents.size() == kMaxDocuments) return readings_.reject_reading(Reason::kTooManyDocuments);
  const auto index = static_cast<std::uint32_t>(documents.size());
  // filled in place, as samples are
  Document& document = documents.emplace_back();
  document.id = id;
  document.instead_of_id = instead_of_id(batch_.sources[source]);
  document.part = document.instead_of_id.empty() ? part_of(id) : kWholePart;
  document.source = source;
  document.updated_at = readings_.plausible_instant(resource_.updated_at);
  document.offset = record.offset;
  document.length = record.length;
  document.session = session();
  readings_.add(resource_.mappings_for(provider), source, index);
  note_channel(index, provider);
  if (holds_stream(record)) add_stream(index);
}

// What is left to be done of a batch when all records are in it.
template <class Sink>
Result<Done> finish(Result<WalkFindings> walked, Sink& sink, Batch& batch, const char* what,
                    std::string_view resource) {
  sink.finish();
  WEARABLES_ASSERT(!walked.ok() || sink.is_balanced());
  if (walked.ok()) {
    for (std::string& path : walked.value().unknowns) batch.unknowns.push_back({std::move(path), {}});
    batch.null_at = std::move(walked.value().null_at);
    return Done{};
  }
  if (walked.error().code != Code::kUnexpectedShape) return walked.error();
  return {Code::kUnexpectedShape,
          std::string("no ") + what + " of resource " + std::string(resource) + " found: " + walked.error().message};
}

bool is_consistent(const Batch& batch, const Sample& sample) {
  return sample.source < batch.sources.size() && (sample.zone <= batch.zones.size() || sample.zone == kOffsetWritten) &&
         (sample.tz_offset != kCalendarDay || (sample.ts % kMicrosPerDay == 0 && sample.zone == 0)) &&
         (sample.document == kNone || sample.document < batch.documents.size()) && sample.metric != kNoMetric &&
         (sample.metric > kNoMetric || -1 - sample.metric < static_cast<int>(batch.new_metrics.size())) &&
         std::isfinite(sample.value) && sample.ts != kNoInstant &&
         (sample.ts_end == kNoInstant || sample.ts_end >= sample.ts);
}

// In the order of the body, a document's samples side by side.
bool is_in_order(const Batch& batch) {
  const auto& samples = batch.samples;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    if (samples[i].ordinal <= samples[i - 1].ordinal || samples[i].document < samples[i - 1].document) return false;
  }
  const std::size_t told = std::min(batch.rejected.size(), kMaxRejected);  // one more tells of the others
  for (std::size_t i = 1; i < told; ++i) {
    if (batch.rejected[i].ordinal <= batch.rejected[i - 1].ordinal) return false;
  }
  return samples.empty() || samples.back().ordinal < batch.readings;
}

}  // namespace

bool is_consistent(const Batch& batch, std::size_t body_size) {
  return batch.readings == batch.samples.size() + batch.refused && batch.rejected.size() <= kMaxRejected + 1 &&
         (batch.null_at.empty() || batch.readings == 0) && is_in_order(batch) &&
         std::all_of(batch.samples.begin(), batch.samples.end(),
                     [&](const Sample& sample) { return is_consistent(batch, sample); }) &&
         std::all_of(batch.documents.begin(), batch.documents.end(), [&](const Document& document) {
           return document.source < batch.sources.size() &&
                  (document.session_source < batch.sources.size() || document.session_source == kNoSessionSource) &&
                  document.offset <= body_size && document.length <= body_size - document.offset;
         });
}

Result<Done> normalize(const Plan& plan, std::string_view resource, std::string_view body, Batch& batch, StopFlag stop,
                       const ClosedNames* closed, std::span<const Refusal> refused, const StreamSubject* subject) {
  const Plan::Impl& impl = plan.impl();
  const PlanResource* found = impl.find(resource);
  if (found == nullptr || found->def.kind == ResourceKind::kSkipped) {
    return {Code::kInvalidArgument, "there is no parser for resource " + std::string(resource)};
  }
  batch.clear();
  auto done = [&] {
    if (found->def.kind == ResourceKind::kTimeseries) {
      SampleSink sink(impl, *found, body.size(), batch, closed, refused);
      return finish(walk_timeseries(body, found->fields, impl.source_fields, sink, stop), sink, batch, "samples",
                    resource);
    }
    DocumentSink sink(impl, *found, body, batch, closed, refused, subject);
    if (!found->def.stream_of.empty()) {
      return finish(walk_objects(body, found->fields, sink, stop), sink, batch, "stream", resource);
    }
    return finish(walk_documents(body, found->def.list_key, found->fields, found->id, sink, stop), sink, batch,
                  "documents", resource);
  }();
  WEARABLES_ASSERT(!done.ok() || is_consistent(batch, body.size()));
  return done;
}

}  // namespace wearables
