#include "pg/people/claim.h"

#include "pg/server/server.h"
#include "pg/server/settings.h"

extern "C" {
#include "common/jsonapi.h"
}

namespace wearables::pg {

namespace {

// Since PostgreSQL 16 an action says whether the parser is to go on.
#if PG_VERSION_NUM >= 160000
using ActionResult = JsonParseErrorType;
ActionResult go_on() { return JSON_SUCCESS; }
#else
using ActionResult = void;
ActionResult go_on() {}
#endif

JsonLexContext* make_lexer(const char* json) {
  const int size = static_cast<int>(strlen(json));
#if PG_VERSION_NUM >= 170000
  return makeJsonLexContextCstringLen(nullptr, json, size, GetDatabaseEncoding(), true);
#else
  return makeJsonLexContextCstringLen(const_cast<char*>(json), size, GetDatabaseEncoding(), true);
#endif
}

constexpr const char* kClaimsSetting = "request.jwt.claims";
constexpr int kLevelOfClaims = 1;  // members of the outermost object

// The parser calls itself for each level, and raises an error where the stack ends.
constexpr int kMostLevels = 100;

bool is_nested_deeply(const char* json) {
  int level = 0;
  bool quoted = false;
  for (const char* at = json; *at != '\0'; ++at) {
    if (*at == '"') {
      quoted = !quoted;
    } else if (quoted) {
      if (*at == '\\' && at[1] != '\0') ++at;
    } else if (*at == '{' || *at == '[') {
      if (++level > kMostLevels) return true;
    } else if (*at == '}' || *at == ']') {
      --level;
    }
  }
  return false;
}

// One walk over the claims.
struct ClaimSearch {
  JsonLexContext* lex;
  const char* name;
  bool inside;        // of the value of the claim
  int found;          // how often the claim is there
  const char* value;  // of the last one, if it is a text
};

ActionResult begin_member(void* state, char* name, bool) {
  auto* search = static_cast<ClaimSearch*>(state);
  if (search->lex->lex_level == kLevelOfClaims && strcmp(name, search->name) == 0) {
    search->inside = true;
    ++search->found;
    search->value = nullptr;
  }
  return go_on();
}

ActionResult end_member(void* state, char*, bool) {
  auto* search = static_cast<ClaimSearch*>(state);
  if (search->lex->lex_level == kLevelOfClaims) search->inside = false;
  return go_on();
}

ActionResult take_scalar(void* state, char* token, JsonTokenType type) {
  auto* search = static_cast<ClaimSearch*>(state);
  if (search->inside && search->lex->lex_level == kLevelOfClaims && type == JSON_TOKEN_STRING) search->value = token;
  return go_on();
}

// Null unless the claims are one object, not nested deeply, in which the claim stands once, as a text that is not
// empty. Of equal names no parser's choice is relied on: a proxy could check the one and this function take the other.
const char* find_claim(const char* claims, const char* name) {
  if (is_nested_deeply(claims)) return nullptr;
  ClaimSearch search{make_lexer(claims), name, false, 0, nullptr};
  JsonSemAction actions{};
  actions.semstate = &search;
  actions.object_field_start = begin_member;
  actions.object_field_end = end_member;
  actions.scalar = take_scalar;
  if (pg_parse_json(search.lex, &actions) != JSON_SUCCESS) return nullptr;
  if (search.found != 1 || search.value == nullptr || *search.value == '\0') return nullptr;
  return search.value;
}

}  // namespace

const char* claimed_id() {
  // after a transaction of the proxy the setting is there, and empty
  const char* claims = GetConfigOption(kClaimsSetting, true, false);
  return claims == nullptr || *claims == '\0' ? nullptr : find_claim(claims, settings().user_claim);
}

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_claimed_id);

Datum wearables_claimed_id(PG_FUNCTION_ARGS) {
  const char* id = wearables::pg::claimed_id();
  if (id == nullptr) PG_RETURN_NULL();
  PG_RETURN_TEXT_P(cstring_to_text(id));
}
}
