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

// Whether a body is looked at whole or at its head first makes no difference.
void check_peek(std::string_view body, bool is_json) {
  const Envelope peeked = peek_envelope(kJunction, body);
  check_text(peeked.event_type);
  check_text(peeked.external_user_id);
  check_text(peeked.client_user_id);
  const Envelope longer = peek_envelope(kJunction, std::string(body) + std::string(2000, ' '));
  if (!is_json) return;
  require(peeked.event_type == longer.event_type);
  require(peeked.external_user_id == longer.external_user_id);
  require(peeked.client_user_id == longer.client_user_id);
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

  check_peek(body, envelope.is_json);

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
