// Reads headers by walking their jsonb anew for each question: there are a dozen, and the walk costs less than to keep
// what it found. No locks and no SPI; what is returned lives in the jsonb or in the current memory context.
#include "core/base/text.h"

#include <algorithm>

#include "pg/receive/http_headers.h"

namespace wearables::pg {

namespace {

constexpr int kMaxAuditedBytes = 1024;  // of one value: eleven signatures have half of it
constexpr int kMaxAuditedMembers = 16;  // names in any case count as different ones

constexpr std::string_view kEndpointHeader = "wearables-endpoint";
constexpr std::string_view kAlwaysAudited[] = {"content-type", "user-agent"};

struct HeaderIterator {
  JsonbIterator* iterator;  // null: no object
  JsonbValue key, value;

  std::string_view name() const { return {key.val.string.val, static_cast<size_t>(key.val.string.len)}; }
  std::string_view text() const { return {value.val.string.val, static_cast<size_t>(value.val.string.len)}; }
};

HeaderIterator begin_headers(Jsonb* headers) {
  HeaderIterator header{};
  if (headers != nullptr && JB_ROOT_IS_OBJECT(headers)) header.iterator = JsonbIteratorInit(&headers->root);
  return header;
}

// The next one with a text for its value.
bool next_header(HeaderIterator* header) {
  if (header->iterator == nullptr) return false;
  JsonbIteratorToken token;
  while ((token = JsonbIteratorNext(&header->iterator, &header->key, true)) != WJB_DONE) {
    if (token != WJB_KEY) continue;
    if (JsonbIteratorNext(&header->iterator, &header->value, true) == WJB_VALUE && header->value.type == jbvString) {
      return true;
    }
  }
  return false;
}

bool is_audited(std::string_view name, const SignatureScheme& scheme) {
  return std::any_of(std::begin(kAlwaysAudited), std::end(kAlwaysAudited),
                     [name](std::string_view audited) { return equal_ignoring_case(name, audited); }) ||
         std::any_of(scheme.headers.begin(), scheme.headers.end(),
                     [name](const HeaderFamily& family) { return family.has(name); });
}

// Takes what stands before the next comma, without the blanks around it.
std::string_view take_preference(std::string_view* rest) {
  constexpr std::string_view kBlank = " \t";
  const size_t comma = std::min(rest->find(','), rest->size());
  std::string_view preference = rest->substr(0, comma);
  rest->remove_prefix(std::min(comma + 1, rest->size()));
  preference.remove_prefix(std::min(preference.find_first_not_of(kBlank), preference.size()));
  return preference.substr(0, preference.find_last_not_of(kBlank) + 1);
}

}  // namespace

SignedHeaders signed_headers(Jsonb* headers, const SignatureScheme& scheme) {
  HeaderPicker picker(scheme.headers);
  HeaderIterator header = begin_headers(headers);
  while (next_header(&header)) picker.offer(header.name(), header.text());
  return picker.headers();
}

const char* named_endpoint(Jsonb* headers) {
  HeaderIterator header = begin_headers(headers);
  while (next_header(&header)) {
    if (header.text().empty() || !equal_ignoring_case(header.name(), kEndpointHeader)) continue;
    return pnstrdup(header.value.val.string.val, header.value.val.string.len);
  }
  return nullptr;
}

Jsonb* audited_headers(Jsonb* headers, const SignatureScheme& scheme) {
  JsonbParseState* state = nullptr;
  int audited = 0;
  pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
  HeaderIterator header = begin_headers(headers);
  while (next_header(&header)) {
    if (!is_audited(header.name(), scheme) || ++audited > kMaxAuditedMembers) continue;
    auto& text = header.value.val.string;
    text.len = pg_mbcliplen(text.val, text.len, kMaxAuditedBytes);
    pushJsonbValue(&state, WJB_KEY, &header.key);
    pushJsonbValue(&state, WJB_VALUE, &header.value);
  }
  return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr));
}

bool asks_for_rollback(Jsonb* headers) {
  HeaderIterator header = begin_headers(headers);
  while (next_header(&header)) {
    if (!equal_ignoring_case(header.name(), "prefer")) continue;
    for (std::string_view rest = header.text(); !rest.empty();) {
      if (equal_ignoring_case(take_preference(&rest), "tx=rollback")) return true;
    }
  }
  return false;
}

}  // namespace wearables::pg
