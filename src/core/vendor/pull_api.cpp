#include "core/vendor/pull_api.h"

#include "core/base/text.h"
#include "core/vendor/first_value.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

namespace wearables {
namespace {

constexpr std::string_view kUserPlaceholder = "{user_id}";
constexpr std::string_view kDocumentPlaceholder = "{document_id}";
constexpr std::size_t kMaxRefusal = 200;

struct CalendarTime {
  int year;
  unsigned month, day, hour, minute, second, micros;
};

CalendarTime utc_of(Micros instant) {
  const std::chrono::sys_time<std::chrono::microseconds> at{std::chrono::microseconds{instant}};
  const auto midnight = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date{midnight};
  const std::chrono::hh_mm_ss time{at - midnight};
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          static_cast<unsigned>(time.hours().count()),
          static_cast<unsigned>(time.minutes().count()),
          static_cast<unsigned>(time.seconds().count()),
          static_cast<unsigned>(time.subseconds().count())};
}

std::string date_text(Micros instant) {
  const CalendarTime time = utc_of(instant);
  std::array<char, 40> text;
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u", time.year, time.month, time.day);
  return text.data();
}

std::string instant_text(Micros instant) {
  const CalendarTime time = utc_of(instant);
  std::array<char, 60> text;
  const int length = std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02u:%02u:%02u", time.year, time.month,
                                   time.day, time.hour, time.minute, time.second);
  std::string whole(text.data(), static_cast<std::size_t>(length));
  if (time.micros != 0) {
    std::snprintf(text.data(), text.size(), ".%06u", time.micros);
    whole += text.data();
  }
  return whole + "+00:00";
}

// The path of a resource with an id in the place of its placeholder.
Result<std::string> path_with(std::string_view pattern, std::string_view placeholder, std::string_view id,
                              const char* wrong) {
  std::string path(pattern);
  const std::size_t place = path.find(placeholder);
  if (path.empty() || path.front() != '/' || place == std::string::npos) return Error{Code::kInvalidArgument, wrong};
  path.replace(place, placeholder.size(), escape_segment(id));
  return path;
}

}  // namespace

std::optional<RangeStyle> range_style_of(std::string_view name) noexcept {
  if (name == "instants") return RangeStyle::kInstants;
  if (name == "dates") return RangeStyle::kDates;
  if (name == "none") return RangeStyle::kWhole;
  return {};
}

Result<std::string> page_url(const PullApi& api, const PullQuestion& question) {
  const auto path = path_with(question.path, kUserPlaceholder, question.external_user_id,
                              "the resource's rest_path must begin with / and name {user_id}");
  if (!path.ok()) return path.error();
  HttpParameters parameters;
  if (question.range != RangeStyle::kWhole) {
    if (question.from < kEarliestInstant || question.to > kLatestInstant || question.from >= question.to) {
      return Error{Code::kInvalidArgument, "the range to pull is empty, reversed or has no end"};
    }
    const bool dates = question.range == RangeStyle::kDates;
    parameters.emplace_back(api.from, dates ? date_text(question.from) : instant_text(question.from));
    parameters.emplace_back(api.to, dates ? date_text(question.to - 1) : instant_text(question.to));
  }
  if (!question.provider.empty()) parameters.emplace_back(api.provider, question.provider);
  if (!question.cursor.empty()) parameters.emplace_back(api.cursor, question.cursor);
  return make_url(question.base_url, path.value(), parameters);
}

Result<std::string> stream_url(const StreamQuestion& question) {
  const auto path = path_with(question.path, kDocumentPlaceholder, question.document_id,
                              "the resource's stream_path must begin with / and name {document_id}");
  if (!path.ok()) return path.error();
  return make_url(question.base_url, path.value(), {});
}

Result<Done> check_stream(std::string_view body) {
  const auto found = first_value(body, {}, Wanted::kAnyKind);
  if (!found.ok()) return found.error();
  const std::size_t first = body.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  const bool may_be = body[first] == '{' || body[first] == 'n';
  if (!may_be) return Error{Code::kUnexpectedShape, "the stream is not an object"};
  return Done{};
}

Result<std::string> next_cursor(const PullApi& api, std::string_view body) {
  const auto found = first_value(body, api.next_cursor, Wanted::kAnyKind);
  if (!found.ok()) return found.error();
  const auto& [kind, text, number] = found.value();
  if (kind == Kind::kMissing) return std::string();
  if (kind != Kind::kString || text.size() > kMaxCursor) {
    return Error{Code::kUnexpectedShape, "the next cursor of the page is not a text, or too long"};
  }
  const bool is_end = std::find(api.no_cursor.begin(), api.no_cursor.end(), text) != api.no_cursor.end();
  return is_end ? std::string() : text;
}

std::string refusal_of(const PullApi& api, std::string_view body) {
  const auto found = first_value(body, api.refusal, Wanted::kTexts);
  return found.ok() ? printable(found.value().text, kMaxRefusal) : std::string();
}

}  // namespace wearables
