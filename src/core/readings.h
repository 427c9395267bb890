// The part of the normalizer that does not care where a record stood in the body: field values in,
// samples and refusals out.
#pragma once

#include "core/interner.h"
#include "core/json.h"
#include "core/plan.h"
#include "core/sample.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wearables {

class Readings {
 public:
  using Fields = std::span<const Value>;
  static constexpr int kNoSlot = PlanMapping::kNoField;

  Readings(const Plan::Impl& plan, const PlanResource& resource, std::size_t body_size);

  // The record that add() and refuse() speak of; it must live until the next one.
  void start(const Record& record) noexcept;

  // One reading: a sample, or the reason why it is none. `value` is the slot of its value;
  // `document` is kNone for timeseries.
  void add(const PlanMapping& mapping, int value, std::uint16_t source, std::uint32_t document);

  // Refuses a reading; `slot` is the field at fault, kNoSlot the record as a whole.
  void refuse(Reason reason, const PlanMapping* mapping, int slot, std::string_view detail = {});

  // Interner::kNoIndex when the provider is not a usable name.
  std::uint16_t source(std::string_view provider, std::string_view type, std::string_view channel);

  // The first that is present and not null; kNoSlot when none is.
  int first_present(const std::vector<std::uint16_t>& slots) const noexcept;
  const Value& field(int slot) const noexcept { return fields_[static_cast<std::size_t>(slot)]; }

  Batch& batch() noexcept { return batch_; }

 private:
  // Each of these returns false after it has noted in refusal_ why the reading is none.
  bool measure(const PlanMapping& mapping, int value, Sample& sample);
  bool set_metric(const PlanMapping& mapping, Sample& sample);
  bool set_time(const PlanMapping& mapping, Sample& sample);
  bool set_end(const PlanMapping& mapping, Sample& sample);
  bool find_unit(const PlanMapping& mapping);
  bool convert(const PlanMetric& metric, int slot, double* result);
  bool read_instant(int slot);
  bool place_instant(const ParsedInstant& parsed, int slot);
  bool fail(Reason reason, int slot, std::string_view detail = {}) noexcept;

  std::uint16_t metric_of(const PlanMapping& mapping);
  void make_room();

  const Plan::Impl& plan_;
  const PlanResource& resource_;
  const std::size_t body_size_;
  const Record* record_ = nullptr;
  Fields fields_;
  Batch batch_;

  std::vector<std::uint16_t> metrics_;  // by PlanMapping::twin: index into batch_.metrics
  Interner extended_metrics_;
  Interner sources_;
  Interner zones_;

  struct {
    Reason reason = Reason::kNotAnObject;
    int slot = kNoSlot;
    std::string_view detail;
  } refusal_;

  struct {
    int slot = kNoSlot;
    Micros at = 0;
    std::uint16_t zone = 0;
  } instant_;  // read last in this record

  struct {
    const PlanMapping* mapping = nullptr;
    std::string text;
    double factor = 1;
    double offset = 0;
  } unit_;  // read last; most bodies have one unit throughout

  struct {
    const PlanMapping* mapping = nullptr;
    std::string text;
    std::uint16_t metric = 0;
  } type_;  // read last
};

}  // namespace wearables
