// The normalizer against simdjson's own full on-demand walk over the same bytes, in interleaved
// rounds, and its peak memory against the size of the body. Both are given bytes with nothing
// behind them, as a database has them, and copy them to where there is; what the walk alone would
// take is told beside. Usage: normalize_bench [seconds per body]
#include "core/parse/normalize.h"

#include <simdjson.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace od = simdjson::ondemand;

std::string heartrate_body(int samples) {
  std::string body = R"({"event_type":"daily.data.heartrate.created","user_id":"f0d1e2c3-0000-4000-8000-000000000001",)"
                     R"("client_user_id":"u1","team_id":"f0d1e2c3-0000-4000-8000-000000000002","data":{"data":[)";
  char sample[160];
  for (int i = 0; i < samples; ++i) {
    const int second = i % 60;
    const int minute = i / 60 % 60;
    const int hour = i / 3600 % 24;
    const int day = i / 86400 + 1;
    std::snprintf(sample, sizeof sample,
                  R"(%s{"timestamp":"2024-05-%02dT%02d:%02d:%02d+00:00","timezone_offset":null,)"
                  R"("type":null,"unit":"bpm","value":%d.0})",
                  i == 0 ? "" : ",", day, hour, minute, second, 50 + i % 97);
    body += sample;
  }
  return body + R"(],"source":{"provider":"apple_health_kit","type":"watch","device_id":null}}})";
}

std::string sleep_body() {
  return R"({"event_type":"daily.data.sleep.created","user_id":"f0d1e2c3-0000-4000-8000-000000000001",
"client_user_id":"u1","team_id":"f0d1e2c3-0000-4000-8000-000000000002","data":{
"id":"7d9f4b9e-5716-5716-8716-000000000003","user_id":"f0d1e2c3-0000-4000-8000-000000000001",
"date":"2024-05-02T00:00:00+00:00","calendar_date":"2024-05-02","bedtime_start":"2024-05-01T22:41:30+00:00",
"bedtime_stop":"2024-05-02T06:52:00+00:00","type":"long_sleep","state":"confirmed","timezone_offset":7200,
"duration":29430,"total":25920,"awake":3510,"light":13200,"rem":6120,"deep":6600,"score":82,
"hr_lowest":47,"hr_average":53,"hr_resting":49,"hr_dip":11.5,"efficiency":88.1,"latency":540,
"temperature_delta":-0.12,"skin_temperature":34.9,"average_hrv":61.5,"respiratory_rate":14.25,
"recovery_readiness_score":77,"sleep_stream":null,
"source":{"provider":"oura","type":"ring","app_id":null,"device_id":null,"name":"Oura","slug":"oura",
"logo":"https://storage.example.com/logos/oura.png"},
"created_at":"2024-05-02T07:01:10+00:00","updated_at":"2024-05-02T07:01:10+00:00"}})";
}

wearables::MetricDef metric(std::int16_t id, const char* name, const char* unit) {
  constexpr double kOpen = std::numeric_limits<double>::infinity();
  return {id, name, unit, false, -kOpen, kOpen};
}

wearables::MappingDef sleep_row(std::int32_t id, std::vector<std::string> fields) {
  return {id, "sleep", "", static_cast<std::int16_t>(id), std::move(fields), "", {"bedtime_stop", "date"}, "",
          "", "",      {}};
}

std::unique_ptr<wearables::Plan> make_plan() {
  wearables::MappingSet set;
  set.metrics = {metric(1, "heartrate", "bpm"),        metric(2, "hrv", "ms"),
                 metric(3, "respiratory_rate", "bpm"), metric(4, "sleep_total", "s"),
                 metric(5, "sleep_deep", "s"),         metric(6, "sleep_rem", "s"),
                 metric(7, "sleep_light", "s"),        metric(8, "sleep_awake", "s"),
                 metric(9, "sleep_score", "%"),        metric(10, "temperature_delta", "°C")};
  set.resources = {{"heartrate", wearables::ResourceKind::kTimeseries, ""},
                   {"sleep", wearables::ResourceKind::kSummary, "sleep"}};
  set.mappings = {
      {100, "heartrate", "", 1, {"value"}, "", {"timestamp", "start"}, "", "unit", "", {}},
      sleep_row(1, {"hr_lowest", "hr_resting", "hr_average"}),
      sleep_row(2, {"average_hrv"}),
      sleep_row(3, {"respiratory_rate"}),
      sleep_row(4, {"total"}),
      sleep_row(5, {"deep"}),
      sleep_row(6, {"rem"}),
      sleep_row(7, {"light"}),
      sleep_row(8, {"awake"}),
      sleep_row(9, {"score"}),
      sleep_row(10, {"temperature_delta"}),
  };
  // as shipped: a walk over what every row knows
  for (const char* path : {"id",
                           "user_id",
                           "created_at",
                           "updated_at",
                           "timestamp",
                           "unit",
                           "type",
                           "timezone_offset",
                           "date",
                           "calendar_date",
                           "bedtime_start",
                           "bedtime_stop",
                           "sleep_stream",
                           "state",
                           "source.app_id",
                           "source.device_id",
                           "source.name",
                           "source.slug",
                           "source.logo",
                           "source.provider",
                           "source.type",
                           "duration",
                           "hr_dip",
                           "efficiency",
                           "latency",
                           "skin_temperature",
                           "recovery_readiness_score"}) {
    set.known_fields.push_back({"", path, {}});
  }
  set.known_fields.push_back({"sleep", "type", {"long_sleep", "short_sleep"}});
  set.known_fields.push_back({"", "source.provider", {"apple_health_kit", "fitbit", "garmin", "oura"}});
  auto plan = wearables::Plan::compile(set);
  if (!plan.ok()) std::abort();
  return std::move(plan).value();
}

std::size_t g_kept;  // what the walks add up, so that nothing is optimised away

void walk(od::value value) {
  switch (value.type().value()) {
    case od::json_type::object:
      for (auto field : value.get_object()) {
        g_kept += static_cast<std::size_t>(field.key().value().raw()[0]);
        walk(field.value());
      }
      break;
    case od::json_type::array:
      for (auto element : value.get_array()) walk(element.value());
      break;
    case od::json_type::string:
      g_kept += value.get_string().value().size();
      break;
    case od::json_type::number:
      g_kept += value.get_double().value() > 0;
      break;
    case od::json_type::boolean:
      g_kept += value.get_bool().value();
      break;
    default:
      g_kept += value.is_null();
  }
}

// With room for a copy that the parser can read, kept from body to body.
class ParserWalk {
 public:
  explicit ParserWalk(std::string_view body) : body_(body), copy_(body.size() + simdjson::SIMDJSON_PADDING) { copy(); }

  void copy() { std::copy(body_.begin(), body_.end(), copy_.begin()); }

  void walk_copy() {
    auto document = parser_.iterate(copy_.data(), body_.size(), copy_.size());
    walk(document.get_value().value());
  }

 private:
  const std::string_view body_;
  std::vector<char> copy_;
  od::parser parser_;
};

void core_walk(const wearables::Plan& plan, std::string_view resource, std::string_view body) {
  static wearables::Batch batch;  // kept, as the parser is
  const auto done = wearables::normalize(plan, resource, body, batch);
  if (!done.ok() || batch.samples.empty() || !batch.rejected.empty()) std::abort();
  g_kept += batch.samples.size();
}

// Of this process's own time: others on the machine disturb the ratio less.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template <class F>
double seconds_of(int rounds, F&& f) {
  const double start = cpu_seconds();
  for (int i = 0; i < rounds; ++i) f();
  return cpu_seconds() - start;
}

void compare(const char* name, const wearables::Plan& plan, std::string_view resource, const std::string& body,
             double seconds) {
  ParserWalk parser(body);
  const int rounds = static_cast<int>(1 + 2'000'000 / body.size());
  std::vector<double> ratios;
  std::vector<double> without_copy;
  double core_seconds = 0;
  for (double used = 0; used < seconds || ratios.size() < 5;) {
    const double theirs = seconds_of(rounds, [&] {
      parser.copy();
      parser.walk_copy();
    });
    const double ours = seconds_of(rounds, [&] { core_walk(plan, resource, body); });
    const double walk_alone = seconds_of(rounds, [&] { parser.walk_copy(); });
    ratios.push_back(theirs / ours);
    without_copy.push_back(walk_alone / ours);
    core_seconds += ours;
    used += theirs + ours + walk_alone;
  }
  std::sort(ratios.begin(), ratios.end());
  std::sort(without_copy.begin(), without_copy.end());
  const double bytes = static_cast<double>(body.size()) * rounds * static_cast<double>(ratios.size());
  std::printf(
      "core normalizer, %s: ratio %.2f/%.2f/%.2f of simdjson's walk of a copy, %.2f of the walk alone, "
      "%.0f MB/s, %zu rounds\n",
      name, ratios.front(), ratios[ratios.size() / 2], ratios.back(), without_copy[without_copy.size() / 2],
      bytes / core_seconds / 1e6, ratios.size());
}

long peak_kb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// In a child of its own, so that nothing but the one call has touched memory.
void memory(const char* name, const wearables::Plan& plan, const std::string& body) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const long before = peak_kb();
    core_walk(plan, "heartrate", body);
    const double grown = static_cast<double>(peak_kb() - before) * 1024;
    std::printf("core normalizer, %s: peak memory %.2f times the body beside it\n", name,
                grown / static_cast<double>(body.size()));
    std::fflush(stdout);
    _exit(0);
  }
  waitpid(child, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 3;
  const auto plan = make_plan();
  const std::string large = heartrate_body(100'000);
  memory("100,000 heartrate samples", *plan, large);
  compare("1,000 heartrate samples", *plan, "heartrate", heartrate_body(1'000), seconds);
  compare("100,000 heartrate samples", *plan, "heartrate", large, seconds);
  compare("sleep document", *plan, "sleep", sleep_body(), seconds);
  return g_kept == 0;
}
