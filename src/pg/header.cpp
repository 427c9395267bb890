#include "core/webhook.h"

#include "pg/header.h"

namespace wearables::pg {

namespace {

bool is_audited(std::string_view name) {
  static constexpr std::string_view kAudited[] = {
      "svix-id",    "svix-timestamp",    "svix-signature",    "content-type",
      "webhook-id", "webhook-timestamp", "webhook-signature", "user-agent"};
  for (const std::string_view audited : kAudited) {
    if (name.size() == audited.size() &&
        pg_strncasecmp(name.data(), audited.data(), name.size()) == 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

Headers read_headers(Jsonb* headers) {
  HeaderPicker picker;
  JsonbParseState* state = nullptr;
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
      if (!is_audited(name)) continue;
      pushJsonbValue(&state, WJB_KEY, &key);
      pushJsonbValue(&state, WJB_VALUE, &value);
    }
  }
  return {picker.headers(), JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr))};
}

}  // namespace wearables::pg
