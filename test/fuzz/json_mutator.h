// Mutations that keep most of a body JSON: a value for a value, a member or element twice, gone, or
// in another place. For libFuzzer alone; a target that includes this hands its first `kept` bytes
// on as they are.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace wearables::testing {

inline constexpr std::array<std::string_view, 50> kFuzzValues = {"null",
                                                                 "NaN",
                                                                 "-Infinity",
                                                                 "undefined",
                                                                 "nan",
                                                                 "true",
                                                                 "false",
                                                                 "0",
                                                                 "-0",
                                                                 "1",
                                                                 "-1",
                                                                 "47",
                                                                 "1e400",
                                                                 "-1e400",
                                                                 "1e-400",
                                                                 "1e200000",
                                                                 "-1E-20000",
                                                                 "0.1",
                                                                 "99999999999999999999",
                                                                 "1714550400",
                                                                 "1714550400000",
                                                                 "\"\"",
                                                                 "\"NaN\"",
                                                                 "\"Infinity\"",
                                                                 "\"\\u0000\"",
                                                                 "\"\\ud800\"",
                                                                 "\"\\n\"",
                                                                 "{}",
                                                                 "[]",
                                                                 "[[]]",
                                                                 "{\"data\":[]}",
                                                                 "[{\"value\":1}]",
                                                                 "\"2024-05-01T08:00:00+00:00\"",
                                                                 "\"2024-05-01\"",
                                                                 "\"2024-02-30T25:61:61Z\"",
                                                                 "\"0001-01-01T00:00:00+18:00\"",
                                                                 "\"9999-12-31T23:59:60.999999Z\"",
                                                                 "\"bpm\"",
                                                                 "\"Hz\"",
                                                                 "\"mmol/L\"",
                                                                 "\"mg/dL\"",
                                                                 "\"oura\"",
                                                                 "\"apple_health_kit\"",
                                                                 "\"whoop_v2\"",
                                                                 "\"ring\"",
                                                                 "\"Europe/Berlin\"",
                                                                 "\"../../etc\"",
                                                                 "7200",
                                                                 "-64800",
                                                                 "99999"};

inline constexpr std::array<std::string_view, 26> kFuzzNames = {
    "data",     "groups",    "source",          "provider",   "slug",        "type",
    "id",       "timestamp", "start",           "end",        "unit",        "value",
    "systolic", "diastolic", "timezone_offset", "time_zone",  "updated_at",  "bedtime_stop",
    "date",     "hr_lowest", "hr_average",      "heart_rate", "resting_bpm", "stages",
    "sleep",    "event_type"};

// A value's place: from its first byte to behind its last; whole strings and brackets.
struct Span {
  std::size_t begin, end;
};

inline std::size_t end_of_value(std::string_view text, std::size_t at) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = at; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
      if (!quoted && depth == 0) return i + 1;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return i;
      if (--depth == 0) return i + 1;
    } else if (c == ',' && depth == 0) {
      return i;
    }
  }
  return text.size();
}

// Behind every ':' , '[' and ',' that stands outside of strings.
inline std::vector<Span> value_spans(std::string_view text) {
  std::vector<Span> spans;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if ((c == ':' || c == '[' || c == ',') && i + 1 < text.size()) {
      const Span span{i + 1, end_of_value(text, i + 1)};
      if (span.end > span.begin) spans.push_back(span);
    }
  }
  return spans;
}

inline std::string mutated_json(std::string body, std::minstd_rand& random) {
  const std::vector<Span> spans = value_spans(body);
  if (spans.empty()) return "{\"data\":{\"source\":{\"provider\":\"oura\"},\"data\":[{}]}}";
  const auto pick = [&](std::size_t count) { return static_cast<std::size_t>(random()) % count; };
  const Span at = spans[pick(spans.size())];
  const Span other = spans[pick(spans.size())];
  const std::string value = body.substr(other.begin, other.end - other.begin);
  switch (pick(5)) {
    case 0:
      return body.replace(at.begin, at.end - at.begin, value);
    case 1:
      return body.insert(at.begin, value + ',');
    case 2:
      return body.insert(at.begin, "\"" + std::string(kFuzzNames[pick(kFuzzNames.size())]) +
                                       "\":" + std::string(kFuzzValues[pick(kFuzzValues.size())]) + ',');
    case 3:
      return body.erase(at.begin, at.end - at.begin + (at.end < body.size() && body[at.end] == ','));
    default:
      return body.replace(at.begin, at.end - at.begin, kFuzzValues[pick(kFuzzValues.size())]);
  }
}

// One mutation in four is libFuzzer's own, of bytes.
inline std::size_t mutate_json(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed,
                               std::size_t kept) {
  std::minstd_rand random(seed);
  if (size < kept || random() % 4 == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::string body(reinterpret_cast<const char*>(data) + kept, size - kept);
  for (auto rounds = 1 + random() % 3; rounds > 0; --rounds) body = mutated_json(std::move(body), random);
  const std::size_t room = std::min(body.size(), max_size - kept);
  std::memcpy(data + kept, body.data(), room);
  return kept + room;
}

}  // namespace wearables::testing
