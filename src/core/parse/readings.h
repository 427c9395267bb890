// The part of the normalizer that does not care where a record stood in the body: field values in,
// samples and refusals out.
#pragma once

#include "core/base/interner.h"
#include "core/base/assert.h"
#include "core/json/json.h"
#include "core/parse/normalize.h"
#include "core/parse/plan.h"
#include "core/write/sample.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wearables {

// When a refused reading would have stood, as Rejected has it.
struct RefusedAt {
  Micros at = kNoInstant;
  bool is_day = false;
};

// 00:00 UTC of the date that is written: of a timestamp, the date that its own clock shows.
Micros date_of(const ParsedInstant& parsed) noexcept;

class Readings {
 public:
  using Fields = std::span<const Value>;
  static constexpr int kNoSlot = PlanMapping::kNoField;

  // `closed` may be null; it and `refused` must live as long as this.
  Readings(const Plan::Impl& plan, const PlanResource& resource, std::size_t body_size, Batch& batch,
           const ClosedNames* closed, std::span<const Refusal> refused);

  // What comes now stands in another list, or another document, than what came before.
  void begin_series();

  // The record that add() and reject_reading() speak of; it must live until the next one. `source` is what stands
  // beside it, for mappings that look there (PlanResource::reads_source); it must live as long.
  void start(const Record& record, Fields source = {});

  // From now on a time is refused that lies more than kLongestSession before `from` or after `to`; kNoInstant sets no
  // bound.
  void limit_to(Micros from, Micros to) noexcept {
    earliest_ = from == kNoInstant ? kEarliestInstant : std::max(kEarliestInstant, from - kLongestSession);
    latest_ = to == kNoInstant ? kLatestInstant : std::min(kLatestInstant, to + kLongestSession);
  }

  using Mappings = PlanResource::ProviderMappings;

  // What the mappings yield of the record: for each value that is there a sample, or the reason why it is none. False
  // when there is no value. `document` is kNone for timeseries.
  bool add(const Mappings& mappings, std::uint16_t source, std::uint32_t document);

  // Refuses a record for want of a value, if there is a mapping that could have read one.
  void reject_missing_value(const Mappings& mappings);

  // Refuses a record; `mapping` is the only one that could have read it, null when there is none.
  void reject_reading(Reason reason, const PlanMapping* mapping = nullptr);

  // The index of a source in the batch; or else why it has none.
  static constexpr std::uint16_t kNoSource = 0xffff;  // the provider is not a usable name
  static constexpr std::uint16_t kTooManySources = 0xfffe;
  // Whether readings of it are taken.
  bool is_source(std::uint16_t index) const noexcept {
    return index < batch_.sources.size() && (closed_ == nullptr || !source_closed_[index]);
  }
  std::uint16_t source(std::string_view provider, std::string_view type, std::string_view channel);

  // The channel that a condition of the mappings sets, whatever they yield; empty: none does, so that the record is of
  // its resource's own. Of several the first, in the order in which the rows are tried.
  std::string_view channel_of(const Mappings& mappings) const noexcept;

  // What a field says of a time, by itself, in any form that a reading's may have; kNoInstant when that is nothing
  // plausible.
  Micros plausible_instant(int slot) noexcept;

  // The calendar date, as yyyy-mm-dd, with which the text of a field begins; empty when it begins with none.
  std::string_view calendar_date(int slot) noexcept;

  // Refuses what is no object that can be read.
  void reject_form(const Record& record) {
    reject_reading(record.too_deep ? Reason::kNestedTooDeep : Reason::kNotAnObject);
  }

  // Refuses a record for its source, which is none.
  void reject_source(std::uint16_t index);

  // After the last record: tells how many refusals were not told one by one.
  void finish();

  // Notes the texts of fields that know their texts and not these.
  void note_texts(const std::vector<PlanTexts>& known, Fields fields);

  const Value& field(int slot) const noexcept {
    WEARABLES_ASSERT(slot >= 0 && static_cast<std::size_t>(slot) < fields_.size());
    return fields_[static_cast<std::size_t>(slot)];
  }

 private:
  static constexpr std::size_t kNoRow = Record::kNotListed;
  static constexpr std::size_t kMaxName = kMaxSourceName;  // also of a type
  static constexpr std::size_t kMaxDetail = 64;
  static constexpr std::size_t kMaxNames = 4 * kMaxName;  // of provider, type and channel together
  static constexpr int kNoTime = -1;

  void reject_reading(Reason reason, std::int16_t metric_id, int slot, std::string_view detail, RefusedAt at = {});
  // For what rejection_ says. `value` is the slot of the value.
  void reject_sample(const PlanMapping& mapping, int value);
  RefusedAt time_of_refused(const PlanMapping& mapping);
  bool add_of(const PlanMapping& mapping, std::uint16_t source, std::uint32_t document);
  // The mappings that read the record at hand: of each choice the one whose condition holds, and those left beside it.
  const std::vector<std::uint16_t>& taken(const Mappings& mappings) {
    return mappings.choices.empty() ? mappings.mappings : taken_by_choice(mappings);
  }
  const std::vector<std::uint16_t>& taken_by_choice(const Mappings& mappings);
  const PlanMapping* chosen(const PlanChoice& choice) const noexcept;
  bool is_left_for(const PlanChoice& choice, const PlanMapping* taken, const PlanMapping& mapping) const noexcept;
  static int slot_of(const PlanMapping& mapping) noexcept;
  bool holds(const PlanCondition& condition) const noexcept;
  const Value& field(const PlanField& which) const noexcept {
    const Fields& fields = which.of_source ? source_fields_ : fields_;
    WEARABLES_ASSERT(which.slot < fields.size());
    return fields[which.slot];
  }
  std::uint16_t source_in_channel(std::uint16_t source, std::string_view channel);
  bool add_one(const PlanMapping& mapping, std::uint16_t source, std::uint32_t document);
  std::size_t row_count(const PlanMapping& mapping) const noexcept;
  void take_row(const PlanMapping& mapping, std::size_t row);
  bool reject_left_out(const PlanMapping& mapping);
  // What is read where no value field is present: false when there is nothing to sum up.
  bool add_up(const PlanMapping& mapping);
  // The code of a text or a truth; null when the mapping has none for it.
  static const CodeDef* code_of(const PlanMapping& mapping, const Value& value) noexcept;
  static bool means_nothing(const PlanMapping& mapping, const Value& value) noexcept;

  // Each of these returns false after it has noted in rejection_ why the reading is none.
  bool choose_metric(const PlanMapping& mapping);
  bool choose_extended(const PlanMapping& mapping);
  bool read_extension(const PlanMapping& mapping);
  bool extend_metric(const PlanMapping& mapping);
  std::int16_t part_in(const PlanMapping& mapping, std::uint32_t document);
  bool name_metric(Sample& sample);
  bool measure(const PlanMapping& mapping, int value, Sample& sample);
  bool set_time(const PlanMapping& mapping, Sample& sample);
  bool find_time(const PlanMapping& mapping);
  bool set_end(const PlanMapping& mapping, Sample& sample);
  bool is_allowed(const PlanMapping& mapping);
  void note_offsets(const Sample& sample);
  bool convert(const PlanMapping& mapping, int slot, double* result);
  bool find_unit(const PlanMapping& mapping, double number);
  bool convert_unit(std::string_view text, int slot);
  bool decode(const PlanMapping& mapping, int slot, double* result);
  bool read_time(const PlanMapping& mapping, int slot);
  bool read_instant(int slot);
  std::optional<ParsedInstant> parsed_instant(const Value& value) noexcept;
  bool place_instant(const ParsedInstant& parsed, int slot);
  void read_place();
  std::uint8_t zone_named(std::string_view text);
  bool is_midnight_of_document(const ParsedInstant& parsed) const noexcept;
  bool fail(Reason reason, int slot, std::string_view detail = {}) noexcept {
    rejection_.reason = reason;
    rejection_.slot = slot;
    rejection_.detail = detail;
    return false;
  }

  // The first that is present and not null; kNoSlot when none is.
  int first_present(const std::vector<std::uint16_t>& slots) const noexcept;
  std::uint16_t index_of_source(std::string_view provider, std::string_view type, std::string_view channel);
  bool is_closed(const SourceRef& source) const;
  bool is_closed(const std::string& metric) const;
  void note_unit(std::int16_t metric_id, std::string text);
  std::string pointer_to(int slot) const;
  void make_room();
  void forget_time() noexcept {
    instant_.slot = kNoSlot;
    time_.of = kNoTime;
  }

  const Plan::Impl& plan_;
  const PlanResource& resource_;
  const std::size_t body_size_;
  const ClosedNames* const closed_;
  std::span<const Refusal> refused_;  // those to come
  const Record* record_ = nullptr;
  Fields fields_;
  Fields source_fields_;
  std::vector<Value> with_row_;  // the record's fields, those read by "*" being of row_
  std::size_t row_ = kNoRow;
  std::vector<std::uint16_t> taken_;  // the mappings of the record at hand, where there are choices
  Batch& batch_;

  // What the steps of a reading leave for those that follow. They are members, for what was found of the record, or of
  // the reading before, often holds for the next.

  // Where a record says that it was recorded.
  static constexpr std::uint8_t kTooManyZones = kOffsetWritten;
  struct Place {
    std::uint8_t zone = 0;               // as Sample::zone, or kTooManyZones
    std::int16_t tz_offset = kNoOffset;  // from a field beside the readings
  };

  // A metric that fields of a record named: the plan's own, or one to be made after its parent.
  struct Extended {
    std::string name;          // empty: the plan's own
    const PlanMetric* metric;  // whose unit, units and range hold
    bool closed = false;
    std::int16_t named = kNoMetric;  // as Sample::metric, once a sample has it
  };
  static constexpr std::size_t kNotExtended = static_cast<std::size_t>(-1);

  // The metric of a reading.
  struct Choice {
    const PlanMetric* metric = nullptr;
    std::size_t extended = kNotExtended;  // index into Apart::extended
  };

  // Why a reading is none.
  struct Rejection {
    Reason reason = Reason::kNotAnObject;
    int slot = kNoSlot;
    std::string_view detail;
  };

  // What a field of the record says of time.
  struct ReadInstant {
    int slot = kNoSlot;
    Micros at = 0;
    std::int16_t offset = 0;                  // that it was written with, 0: none
    std::int16_t written_offset = kNoOffset;  // the same, where it tells where the wearer was
    bool is_date = false;                     // written as one: at is 00:00 UTC of it
    bool is_day = false;                      // a date, or the midnight that stands for the document's own
  };

  // When and where a reading is.
  struct ReadingTime {
    int of = kNoTime;  // time_of of the mapping
    Micros at = 0;
    std::int16_t offset = 0;             // as of ReadInstant
    std::uint8_t zone = 0;               // as of Sample
    std::int16_t tz_offset = kNoOffset;  // as of Sample
  };

  // From the unit of a number to the canonical one.
  struct Conversion {
    double factor = 1;
    double offset = 0;
  };

  // The part that an identity was hashed to.
  struct HashedPart {
    std::string identity;
    std::int16_t part = kWholePart;
  };

  // The metric that an extension led to.
  struct LastExtended {
    const PlanMapping* mapping = nullptr;
    std::string extension;
    std::size_t index = kNotExtended;
  };

  // For fields that tell readings of one instant and source apart. Most bodies have none, so it is made where it is
  // wanted.
  struct Apart {
    Interner names;                  // of extended metrics
    std::vector<Extended> extended;  // by index of the name
    LastExtended last_extended;
    std::string extension;  // of the metric's name, of the reading at hand
    HashedPart last_part;   // most readings of a body have one
    std::string identity;   // of the reading at hand
  };

  Micros earliest_ = kEarliestInstant;
  Micros latest_ = kLatestInstant;
  Place place_;
  Choice choice_;
  Interner sources_;                 // those after the first few
  std::vector<bool> source_closed_;  // by index; empty where no names are closed
  Interner zones_;
  std::uint32_t first_untold_ = 0;                                // ordinal of the first refusal beyond kMaxRejected
  bool untold_for_sources_ = false, untold_for_metrics_ = false;  // some of those beyond

  Rejection rejection_;
  ReadInstant instant_;  // read last in this record
  ReadingTime time_;     // of the reading before, in this record
  InstantReader instants_;
  WrittenOffset offsets_{};         // of the reading before
  Conversion unit_;                 // of the number at hand
  std::int16_t part_ = kWholePart;  // of the document that is being added
  std::unique_ptr<Apart> apart_;
};

}  // namespace wearables
