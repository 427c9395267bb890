// Input: a body, as it may stand behind a valid signature.
#include "core/json/storable_json.h"
#include "core/vendor/envelope.h"
#include "core/vendor/junction.h"
#include "core/json/json_text.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace wearables;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

// What a text column takes.
void check_text(const std::string& text) {
  require(text.size() <= 500);
  require(std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20; }));
}

// Of a body that is no JSON nothing is promised but that it ends, and within its bounds.
void check_storable(std::string_view body) {
  const std::string storable = storable_json(body);
  require(storable.size() <= 2 * body.size());
  if (!read_envelope(kJunction, body).is_json) return;
  require(find_unstorable_escape(storable, 0) == storable.size());
  require(find_unstorable_number(storable, 0).empty());
  require(storable_json(storable) == storable);
  require(read_envelope(kJunction, storable).is_json);
}

// By the parser the text is one value, which no other text beside it can make it.
bool is_one_value(std::string_view text) {
  const std::string in_list = '[' + std::string(text) + ']';
  const std::string in_object = R"({"x":)" + std::string(text) + '}';
  return !text.empty() && read_envelope(kJunction, in_list).is_json && read_envelope(kJunction, in_object).is_json;
}

bool is_blank_text(std::string_view text) { return std::all_of(text.begin(), text.end(), is_blank); }

// What MemberScan takes for members are those of the parser, where the body is JSON: names and values are such by the
// parser, and between them stands nothing but what a JSON object has there. Returns whether no name can stand twice.
bool check_members(std::string_view body, bool is_json) {
  std::vector<std::string_view> names;
  std::size_t at = 0;
  const auto follows = [&](std::string_view part, std::string_view mark) {
    const std::string_view between = body.substr(at, static_cast<std::size_t>(part.data() - body.data()) - at);
    const std::string_view before = without_blanks(between);
    at = static_cast<std::size_t>(part.data() - body.data()) + part.size();
    return before.starts_with(mark) && is_blank_text(before.substr(mark.size()));
  };
  bool escaped = false;
  MemberScan scan(body);
  while (scan.next()) {
    if (!is_json) continue;
    const std::string quoted = '"' + std::string(scan.name()) + '"';
    require(scan.member().starts_with(quoted) && scan.member().ends_with(scan.value()));
    require(follows(scan.member().substr(0, quoted.size()), names.empty() ? "{" : ","));
    require(follows(scan.value(), ":"));
    require(is_one_value(quoted) && is_one_value(scan.value()));
    escaped = escaped || scan.name().find('\\') != std::string_view::npos;
    names.push_back(scan.name());
  }
  if (is_json && without_blanks(body).starts_with('{')) {
    require(scan.ended());
    require(names.empty() || without_blanks(body.substr(at)) == "}");
  }
  std::sort(names.begin(), names.end());
  return !escaped && std::adjacent_find(names.begin(), names.end()) == names.end();
}

// Where nothing can stand twice, it makes no difference that nothing behind the last wanted member was read.
void check_peek(std::string_view body, const Envelope& read) {
  const bool names_once = check_members(body, read.is_json);
  const Envelope peeked = peek_envelope(kJunction, body);
  check_text(peeked.event_type);
  check_text(peeked.external_user_id);
  check_text(peeked.client_user_id);
  if (!read.is_json || !names_once) return;
  require(peeked.event_type == read.event_type);
  require(peeked.external_user_id == read.external_user_id);
  require(peeked.client_user_id == read.client_user_id);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);

  const Envelope envelope = read_envelope(kJunction, body);
  require(envelope.event_type.size() <= kMaxEventType);
  check_text(envelope.event_type);
  check_text(envelope.external_user_id);
  check_text(envelope.client_user_id);
  require(envelope.is_json || (envelope.event_type.empty() && envelope.external_user_id.empty()));

  check_peek(body, envelope);

  const auto connection = read_connection(kJunction, body);
  const auto notice = read_backfill_notice(kJunction, body);
  require(envelope.is_json == (connection.ok() || connection.error().code != Code::kInvalidJson));
  require(envelope.is_json == (notice.ok() || notice.error().code != Code::kInvalidJson));
  if (connection.ok()) {
    check_text(connection.value().provider);
    check_text(connection.value().provider_user_id);
    require(!connection.value().provider.empty());
  }
  if (notice.ok()) {
    require(notice.value().from == kNoInstant || notice.value().from >= kEarliestInstant);
    require(notice.value().to == kNoInstant || notice.value().to <= kLatestInstant);
  }
  check_storable(body);
  return 0;
}
