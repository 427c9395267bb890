#include "core/vendor/webhook.h"

#include <algorithm>

#include "pg/receive/header.h"

namespace wearables::pg {

namespace {

constexpr int kMaxAuditedBytes = 1024;   // of one value: eleven signatures have half of it
constexpr int kMaxAuditedMembers = 16;  // names in any case count as different ones

bool equal_ignoring_case(std::string_view name, std::string_view wanted) {
  return name.size() == wanted.size() &&
         pg_strncasecmp(name.data(), wanted.data(), name.size()) == 0;
}

bool is_audited(std::string_view name) {
  static constexpr std::string_view kAudited[] = {
      "svix-id",    "svix-timestamp",    "svix-signature",    "content-type",
      "webhook-id", "webhook-timestamp", "webhook-signature", "user-agent"};
  for (const std::string_view audited : kAudited) {
    if (equal_ignoring_case(name, audited)) return true;
  }
  return false;
}

}  // namespace

Headers read_headers(Jsonb* headers) {
  HeaderPicker picker;
  const char* endpoint = nullptr;
  JsonbParseState* state = nullptr;
  int audited = 0;
  pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
  if (headers != nullptr && JB_ROOT_IS_OBJECT(headers)) {
    JsonbIterator* iterator = JsonbIteratorInit(&headers->root);
    JsonbValue key;
    JsonbValue value;
    JsonbIteratorToken token;
    while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE) {
      if (token != WJB_KEY) continue;
      if (JsonbIteratorNext(&iterator, &value, true) != WJB_VALUE || value.type != jbvString) continue;
      const std::string_view name{key.val.string.val, static_cast<size_t>(key.val.string.len)};
      picker.offer(name, {value.val.string.val, static_cast<size_t>(value.val.string.len)});
      if (endpoint == nullptr && value.val.string.len > 0 &&
          equal_ignoring_case(name, "wearables-endpoint")) {
        endpoint = pnstrdup(value.val.string.val, value.val.string.len);
      }
      if (!is_audited(name) || ++audited > kMaxAuditedMembers) continue;
      value.val.string.len = pg_mbcliplen(value.val.string.val, value.val.string.len, kMaxAuditedBytes);
      pushJsonbValue(&state, WJB_KEY, &key);
      pushJsonbValue(&state, WJB_VALUE, &value);
    }
  }
  Jsonb* audited_headers = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr));
  return {picker.headers(), endpoint, audited_headers};
}

bool asks_for_rollback(Jsonb* headers) {
  constexpr std::string_view kBlank = " \t";
  if (headers == nullptr || !JB_ROOT_IS_OBJECT(headers)) return false;
  JsonbIterator* iterator = JsonbIteratorInit(&headers->root);
  JsonbValue key;
  JsonbValue value;
  JsonbIteratorToken token;
  while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE) {
    if (token != WJB_KEY || JsonbIteratorNext(&iterator, &value, true) != WJB_VALUE) continue;
    const std::string_view name{key.val.string.val, static_cast<size_t>(key.val.string.len)};
    if (value.type != jbvString || !equal_ignoring_case(name, "prefer")) continue;
    std::string_view rest{value.val.string.val, static_cast<size_t>(value.val.string.len)};
    while (!rest.empty()) {
      const size_t comma = std::min(rest.find(','), rest.size());
      std::string_view wish = rest.substr(0, comma);
      wish.remove_prefix(std::min(wish.find_first_not_of(kBlank), wish.size()));
      wish = wish.substr(0, wish.find_last_not_of(kBlank) + 1);
      if (equal_ignoring_case(wish, "tx=rollback")) return true;
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return false;
}

}  // namespace wearables::pg
