#include "core/vendor/event_type.h"

#include <array>
#include <cstddef>

namespace wearables {
namespace {

constexpr std::size_t kMostSegments = 4;

struct Segments {
  std::array<std::string_view, kMostSegments> at;
  std::size_t count = 0;
};

// count is 0 when there are too many, or one is empty.
Segments split(std::string_view text) noexcept {
  Segments segments;
  for (;;) {
    const std::size_t stop = text.find('.');
    const std::string_view segment = text.substr(0, stop);
    if (segment.empty() || segments.count == kMostSegments) return {};
    segments.at[segments.count++] = segment;
    if (stop == std::string_view::npos) return segments;
    text.remove_prefix(stop + 1);
  }
}

EventFamily data_family(std::string_view cadence) noexcept {
  if (cadence == "daily") return EventFamily::kData;
  if (cadence == "historical") return EventFamily::kBackfillDone;
  return EventFamily::kOther;
}

EventType classify_data(const Segments& segments) noexcept {
  const auto [cadence, kind, resource, action] = segments.at;
  const EventFamily family = data_family(cadence);
  const bool known_kind = kind == "data" || kind == "timeseries";
  const bool known_action = action == "created" || action == "updated";
  if (family == EventFamily::kOther || !known_kind || !known_action) return {};
  return {family, resource, action};
}

}  // namespace

EventType classify(std::string_view event_type) noexcept {
  const Segments segments = split(event_type);
  const auto& at = segments.at;
  if (segments.count == 4) return classify_data(segments);
  if (segments.count == 3 && at[0] == "provider" && at[1] == "connection") {
    return {EventFamily::kConnection, {}, at[2]};
  }
  if (segments.count == 2 && at[0] == "pull") return {EventFamily::kPage, at[1], {}};
  return {};
}

std::string name_of_type(std::string_view event_type) {
  const std::size_t stop = event_type.rfind('.');
  if (stop == std::string_view::npos) return std::string(event_type) + '.';
  const std::string_view subject = event_type.substr(0, stop);
  return std::string(subject.find('.') == std::string_view::npos ? event_type : subject);
}

}  // namespace wearables
