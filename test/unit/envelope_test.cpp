#include "core/json/storable_json.h"
#include "core/vendor/envelope.h"
#include "core/vendor/junction.h"
#include "core/json/json_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace wearables {
namespace {

constexpr Micros kDay = 86'400 * kMicrosPerSecond;
constexpr Micros kFirstOfMay = 1'714'521'600 * kMicrosPerSecond;

struct Expected {
  const char* body;
  bool is_json;
  const char* event_type;
  const char* user;
  const char* client;
};

const Expected kEnvelopes[] = {
    {R"({"event_type":"daily.data.sleep.created","user_id":"u","client_user_id":"c","data":{}})", true,
     "daily.data.sleep.created", "u", "c"},
    // The examples of Junction's introduction have the user inside data only.
    {R"({"data":{"user_id":"inner","source_id":16},"event_type":"daily.data.heartrate.created"})", true,
     "daily.data.heartrate.created", "inner", ""},
    {R"({"data":{"user_id":"inner"},"user_id":"outer"})", true, "", "outer", ""},
    {R"({"event_type":"labtest.match_review.created","data":{"user_id":null}})", true, "labtest.match_review.created",
     "", ""},
    {R"({"user_id":"first","user_id":"last"})", true, "", "last", ""},
    {R"({"event\u005ftype":"a\u002eb"})", true, "a.b", "", ""},
    {R"({"event_type":17,"user_id":{"id":1},"client_user_id":["c"]})", true, "", "", ""},
    // Another sender's `type`; what names nothing gives way to it.
    {R"({"type":"workout.created","user_id":"u"})", true, "workout.created", "u", ""},
    {R"({"type":"b","event_type":"a"})", true, "a", "", ""},
    {R"({"event_type":"a","type":"b"})", true, "a", "", ""},
    {R"({"event_type":null,"type":"b"})", true, "b", "", ""},
    {R"({"event_type":17,"type":"b"})", true, "b", "", ""},
    {R"({"event_type":{"type":"a"},"type":"b"})", true, "b", "", ""},
    {R"({"event_type":["a"],"type":"b"})", true, "b", "", ""},
    {R"({"event_type":"","type":"b"})", true, "b", "", ""},
    {R"({"event_type":" \t\u0000","type":"b"})", true, "b", "", ""},
    {R"({"event_type":null,"type":17})", true, "", "", ""},
    {R"({"data":{"type":"a","event_type":"b"},"event":{"type":"c"}})", true, "", "", ""},
    {R"([{"type":"e"},{"event_type":"e"}])", true, "e", "", ""},
    {R"([{"type":"e"},{"type":"f"}])", true, "", "", ""},
    // A type is shown to people and compared with rows: printable, whatever it was.
    {R"({"event_type":"a\nb\u0000c\u007f"})", true, "a?b?c?", "", ""},
    // A number is as good an id as a text, as it is written.
    {R"({"user_id":42,"client_user_id":7})", true, "", "42", "7"},
    {R"({"user_id":-7 ,"client_user_id":0})", true, "", "-7", "0"},
    {R"({"user_id":12345678901234567890123})", true, "", "12345678901234567890123", ""},
    {R"({"user_id":1e3,"client_user_id":1.50})", true, "", "1e3", "1.50"},
    {R"({"user_id":1e400})", true, "", "1e400", ""},
    {R"({"data":{"user_id":42}})", true, "", "42", ""},
    {R"({"user_id":true,"client_user_id":false})", true, "", "", ""},
    {R"({"user_id":null,"data":{"user_id":42}})", true, "", "42", ""},
    {R"({"user_id":"","client_user_id":"  "})", true, "", "", ""},
    {R"({"user_id":"  ","data":{"user_id":" u "}})", true, "", " u ", ""},
    {R"({"user_id":[42],"data":{"user_id":{"id":1}}})", true, "", "", ""},
    {R"([{"user_id":42},{"user_id":"42"}])", true, "", "42", ""},
    {R"([{"user_id":42},{"user_id":43}])", true, "", "", ""},
    // What no column can hold counts as absent.
    {R"({"user_id":"a\u0000b","client_user_id":"c"})", true, "", "", "c"},
    {R"({"user_id":"\ud800","client_user_id":"\ud83d\ude00"})", true, "", "\xEF\xBF\xBD", "\xF0\x9F\x98\x80"},
    {"\xEF\xBB\xBF{\"user_id\":\"u\"}", true, "", "u", ""},
    {"[]", true, "", "", ""},
    {"17", true, "", "", ""},
    {"\"text\"", true, "", "", ""},
    {"null", true, "", "", ""},
    {" -1e400 ", true, "", "", ""},
    {"\"\\ud800\"", true, "", "", ""},
    {"1e400x", false, "", "", ""},
    {"\"\\ud800\" 1", false, "", "", ""},
    {" true ", true, "", "", ""},
    // Of several events, only what they agree on: a reading must not land with the wrong person.
    {R"([{"event_type":"e","user_id":"u1"},{"event_type":"e","user_id":"u2"}])", true, "e", "", ""},
    {R"([{"user_id":"u"},7,{"user_id":"u"}])", true, "", "u", ""},
    {R"([{"user_id":"u"},{},{"user_id":"u"}])", true, "", "", ""},
    {"", false, "", "", ""},
    {" \n", false, "", "", ""},
    {"hello", false, "", "", ""},
    {"nulL", false, "", "", ""},
    {"01", false, "", "", ""},
    {"1 2", false, "", "", ""},
    {R"({"user_id":"u"} x)", false, "", "", ""},
    {R"({"user_id":"u"}{})", false, "", "", ""},
    // A word that JSON does not have costs itself alone, unless it is all there is.
    {R"({"user_id":NaN,"client_user_id":"c","data":{"x":[-Infinity]}})", true, "", "", "c"},
    {R"([{"user_id":"u","x":undefined},{"user_id":"u"},NaN])", true, "", "u", ""},
    {"NaN", false, "", "", ""},
    {"undefined", false, "", "", ""},
    {R"({"user_id":"u")", false, "", "", ""},
    {R"({"user_id":"u","later": tru garbage})", false, "", "", ""},
    {"{\"user_id\":\"\xFF\"}", false, "", "", ""},
};

TEST(ReadEnvelope, ReadsWhatItCan) {
  for (const Expected& expected : kEnvelopes) {
    const Envelope envelope = read_envelope(kJunction, expected.body);
    EXPECT_EQ(envelope.is_json, expected.is_json) << expected.body;
    EXPECT_EQ(envelope.event_type, expected.event_type) << expected.body;
    EXPECT_EQ(envelope.external_user_id, expected.user) << expected.body;
    EXPECT_EQ(envelope.client_user_id, expected.client) << expected.body;
  }
}

TEST(ReadEnvelope, ReadsWhatStandsBesideTheDeepest) {
  for (const std::size_t depth : {100U, 1'000U, 5'000U, 100'000U}) {
    const std::string lists = std::string(depth, '[') + std::string(depth, ']');
    for (const std::string& body : {R"({"x":)" + lists + R"(,"event_type":"e","user_id":"u"})",
                                    R"({"event_type":"e","data":{"user_id":"u","x":)" + lists + "}}",
                                    R"([{"event_type":"e","user_id":"u"},)" + lists + "]"}) {
      for (const Envelope& envelope : {read_envelope(kJunction, body), peek_envelope(kJunction, body)}) {
        EXPECT_EQ(envelope.event_type, "e") << depth;
        EXPECT_EQ(envelope.external_user_id, "u") << depth;
      }
      EXPECT_EQ(read_envelope(kJunction, body).is_deep, depth > 500);
    }
    EXPECT_TRUE(read_envelope(kJunction, lists).is_json);
    EXPECT_EQ(read_envelope(kJunction, lists).is_deep, depth > 500);
    EXPECT_FALSE(read_envelope(kJunction, lists + "]").is_json);
    EXPECT_FALSE(read_envelope(kJunction, std::string(depth, '[')).is_json);
  }
}

void expect_same(const Envelope& peeked, const Envelope& read, const std::string& body) {
  EXPECT_EQ(peeked.event_type, read.event_type) << body;
  EXPECT_EQ(peeked.external_user_id, read.external_user_id) << body;
  EXPECT_EQ(peeked.client_user_id, read.client_user_id) << body;
}

TEST(PeekEnvelope, FindsTheSame) {
  for (const Expected& expected : kEnvelopes) {
    if (!expected.is_json) continue;
    expect_same(peek_envelope(kJunction, expected.body), read_envelope(kJunction, expected.body), expected.body);
  }
}

// Wherever the fields stand among other members, and whatever those hold.
TEST(PeekEnvelope, FindsTheSameBesideAnyOtherMembers) {
  const std::string others[] = {R"("x":[1,"\\",{"user_id":"no"}])",
                                R"("x":"}")",
                                R"("x":"\",\"user_id\":\"no\"")",
                                R"("x" : { "event_type" : "no" , "y":[[[]]] } )",
                                R"("x":-1.5e3)",
                                R"("x":NaN)",
                                R"("\u0078":null)",
                                R"("x":)" + std::string(1000, '[') + std::string(1000, ']'),
                                R"("x":")" + std::string(5000, 'x') + '"'};
  for (const std::string& other : others) {
    for (const std::string fields :
         {R"("event_type":"e",@,"user_id":"u",@,"client_user_id":"c")",
          R"("client_user_id":"\"éé",@,"user_id":null,@,"event_type":"e","data":{"user_id":"inner","x":17})",
          R"("data":{"user_id":"inner","x":["}"]},@,"event_type":"e\"",@,"client_user_id":null)",
          R"("type":"t",@,"user_id":1234567890,"client_user_id":-12.5e3,@,"event_type":"event")",
          R"("event_type":"e",@,"client_user_id":7,"data":{"user_id":"inner"},@,"user_id":"outer")",
          R"("client_user_id":1234567890,@,"user_id":"  ","event_type":17,@,"data":{"user_id":1234},"type":"t")",
          R"("event\u005ftype":"e",@,"user_id":"u","client_user_id":"c","type":"t")"}) {
      std::string body = "{@," + fields + ",@}";
      for (std::size_t at = body.find('@'); at != std::string::npos; at = body.find('@')) body.replace(at, 1, other);
      ASSERT_TRUE(read_envelope(kJunction, body).is_json) << body;
      expect_same(peek_envelope(kJunction, body), read_envelope(kJunction, body), body);
    }
  }
}

TEST(PeekEnvelope, ReadsNoFurtherThanItMust) {
  const std::string rest = R"(,"data": tru garbage)" + std::string(2000, '{');
  const Envelope known = peek_envelope(kJunction, R"({"event_type":"e","user_id":"u","client_user_id":null)" + rest);
  EXPECT_EQ(known.event_type, "e");
  EXPECT_EQ(known.external_user_id, "u");
  EXPECT_EQ(peek_envelope(kJunction, R"({"event_type":"e","user_id":"u")" + rest).event_type, "");
}

// Before, what stood further than 1,000 bytes from the front was read only of a body that is JSON: "" and "".
TEST(PeekEnvelope, ReadsNoFurtherWhereTheFieldsStandFarBehind) {
  const std::string body = R"({"x":")" + std::string(5000, 'x') +
                           R"(","event_type":"e","user_id":"u","client_user_id":null,"data": tru garbage)";
  EXPECT_EQ(peek_envelope(kJunction, body).event_type, "e");
  EXPECT_EQ(peek_envelope(kJunction, body).external_user_id, "u");
}

// A number that ends where the body does is no id: the rest of it may be missing.
TEST(PeekEnvelope, BelievesNothingThatIsCutOff) {
  for (const char* body : {R"({"event_type":"e","client_user_id":"c","user_id":12)",
                           R"({"event_type":"e","client_user_id":"c","user_id":"12)",
                           R"({"event_type":"e","client_user_id":"c","user_id":{"a":"}")"}) {
    EXPECT_EQ(peek_envelope(kJunction, body).external_user_id, "") << body;
  }
}

TEST(PeekEnvelope, OfEqualNamesTheLastThatWasReadCounts) {
  const char* body = R"({"user_id":"a","user_id":"b","event_type":"e","client_user_id":"c","user_id":"d"})";
  EXPECT_EQ(peek_envelope(kJunction, body).external_user_id, "b");
}

struct Member {
  std::string name, value;
  bool operator==(const Member&) const = default;
};

std::vector<Member> members_of(const std::string& text, bool* ended) {
  std::vector<Member> members;
  MemberScan scan(text);
  while (scan.next()) members.push_back({std::string(scan.name()), std::string(scan.value())});
  *ended = scan.ended();
  EXPECT_FALSE(scan.next());
  return members;
}

TEST(MemberScan, FindsTheMembersAsTheyAreWritten) {
  bool ended = false;
  EXPECT_EQ(
      members_of(R"( { "a" : 1 , "b\"":"}\\" ,"c":{"d":["]",{}]},"":[ ],"a":nul } )", &ended),
      (std::vector<Member>{{"a", "1"}, {"b\\\"", "\"}\\\\\""}, {"c", R"({"d":["]",{}]})"}, {"", "[ ]"}, {"a", "nul"}}));
  EXPECT_TRUE(ended);
  EXPECT_TRUE(members_of("{ }", &ended).empty());
  EXPECT_TRUE(ended);
}

TEST(MemberScan, StopsWhereNoMemberCanBeTold) {
  for (const char* text :
       {"", " ", "[]", "{", R"({")", R"({"a)", R"({"a\")", R"({"a")", R"({"a":)", R"({"a":1)", R"({"a":"1)",
        R"({"a":"1")", R"({"a":[)", R"({"a":[1})", R"({"a" 1})", R"({"a":1 2})", R"({a:1})", R"({,})"}) {
    bool ended = true;
    EXPECT_TRUE(members_of(text, &ended).empty()) << text;
    EXPECT_FALSE(ended) << text;
  }
  bool ended = true;
  EXPECT_EQ(members_of(R"({"a":1,})", &ended).size(), 1U);
  EXPECT_FALSE(ended);
}

// A value of any kind, nested up to `depth` levels.
std::string any_value(std::minstd_rand& random, int depth) {
  static const char* const kScalars[] = {"0",     "-1.5E+3", "null",          "true",  "NaN",
                                         R"("")", R"("\\")", R"("\"}{][,:")", R"("é")"};
  const auto kind = random() % (depth > 0 ? 12 : 9);
  if (kind < 9) return kScalars[kind];
  const bool is_object = kind == 9;
  std::string text(1, is_object ? '{' : '[');
  for (auto i = random() % 4; i > 0; --i) {
    if (is_object) text += R"("k\"" :)";
    text += any_value(random, depth - 1) + (i > 1 ? " ," : " ");
  }
  return text + (is_object ? '}' : ']');
}

// What was put together is taken apart, wherever blanks stand.
TEST(MemberScan, FindsEveryMemberOfAnyObject) {
  std::minstd_rand random(7);
  for (int round = 0; round < 5'000; ++round) {
    const auto blanks = [&] { return std::string(random() % 3, " \n\t\r"[random() % 4]); };
    std::vector<Member> made;
    std::string body = blanks() + '{' + blanks();
    for (auto i = random() % 5; i > 0; --i) {
      made.push_back({std::string(R"(n\")").substr(0, random() % 2 == 0 ? 1 : 3), any_value(random, 3)});
      body +=
          '"' + made.back().name + '"' + blanks() + ':' + blanks() + made.back().value + blanks() + (i > 1 ? "," : "");
      body += i > 1 ? blanks() : "";
    }
    body += '}' + blanks();
    ASSERT_TRUE(read_envelope(kJunction, body).is_json) << body;
    bool ended = false;
    EXPECT_EQ(members_of(body, &ended), made) << body;
    EXPECT_TRUE(ended) << body;
    const std::string cut = body.substr(0, random() % body.size());
    (void)members_of(cut, &ended);
    EXPECT_TRUE(!ended || without_blanks(cut).ends_with('}')) << cut;
  }
}

TEST(ReadEnvelope, KeepsNoEndlessText) {
  const std::string most(500, 'x');
  EXPECT_EQ(read_envelope(kJunction, R"({"user_id":")" + most + R"("})").external_user_id, most);
  EXPECT_EQ(read_envelope(kJunction, R"({"user_id":")" + most + R"(x"})").external_user_id, "");
}

TEST(ReadEnvelope, CutsALongType) {
  const std::string most(200, 'x');
  EXPECT_EQ(read_envelope(kJunction, R"({"event_type":")" + most + R"(","type":"t"})").event_type, most);
  EXPECT_EQ(read_envelope(kJunction, R"({"event_type":")" + most + R"(x","type":"t"})").event_type, most);
  EXPECT_EQ(read_envelope(kJunction, R"({"type":")" + most.substr(1) + R"(é"})").event_type, most.substr(1));
}

TEST(ReadEnvelope, KeepsNoEndlessNumber) {
  const std::string most(500, '7');
  EXPECT_EQ(read_envelope(kJunction, R"({"user_id":)" + most + "}").external_user_id, most);
  EXPECT_EQ(read_envelope(kJunction, R"({"user_id":)" + most + "7}").external_user_id, "");
}

struct Connection {
  const char* body;
  const char* provider;
  const char* provider_user_id;
  const char* error_type;
};

const Connection kConnections[] = {
    {R"({"data":{"provider":{"name":"Oura","slug":"oura","logo":""},"external_user_id":"o1"}})", "oura", "o1", ""},
    {R"({"data":{"source":{"slug":"fitbit"},"external_user_id":null}})", "fitbit", "", ""},
    {R"({"data":{"source":{"slug":"old"},"provider":{"slug":"new"}}})", "new", "", ""},
    {R"({"data":{"provider":"whoop_v2","error_type":"token_refresh_failed","error_details":{}}})", "whoop_v2", "",
     "token_refresh_failed"},
};

TEST(ReadConnection, TakesAnObjectOrASlug) {
  for (const Connection& expected : kConnections) {
    const auto notice = read_connection(kJunction, expected.body);
    ASSERT_TRUE(notice.ok()) << expected.body;
    EXPECT_EQ(notice.value().provider, expected.provider) << expected.body;
    EXPECT_EQ(notice.value().provider_user_id, expected.provider_user_id) << expected.body;
    EXPECT_EQ(notice.value().error_type, expected.error_type) << expected.body;
  }
}

TEST(ReadConnection, SaysWhatIsWrong) {
  for (const char* body : {"{}", "[]", "7", R"({"data":{"provider":{"name":"Oura"}}})"}) {
    const auto notice = read_connection(kJunction, body);
    ASSERT_FALSE(notice.ok()) << body;
    EXPECT_EQ(notice.error().code, Code::kUnexpectedShape) << body;
  }
  EXPECT_EQ(read_connection(kJunction, "{").error().code, Code::kInvalidJson);
}

std::string offered_of(const char* availability) {
  std::vector<std::string> resources{"heartrate", "sleep", "steps", "no \"path\""};
  const std::string body = std::string(R"({"data":{"provider":"oura")") + availability + "}}";
  EXPECT_TRUE(keep_offered(kJunction, body, resources).ok()) << body;
  std::string text;
  for (const std::string& resource : resources) text += resource + ' ';
  return text;
}

TEST(KeepOffered, LeavesOutWhatTheConnectionDoesNotOffer) {
  EXPECT_EQ(offered_of(R"(,"resource_availability":{"heartrate":{"status":"available","scope_requirements":null},
                           "sleep":{"status":"unavailable"},"order":{"status":"available"}})"),
            "heartrate ");
  EXPECT_EQ(offered_of(R"(,"resource_availability":{"sleep":{"status":"unavailable"}})"), "");
  EXPECT_EQ(offered_of(R"(,"resource_availability":{"sleep":{"status":"granted later"}})"), "sleep ");
}

TEST(KeepOffered, KeepsAllWhereTheBodyDoesNotSay) {
  for (const char* availability :
       {"", R"(,"resource_availability":{})", R"(,"resource_availability":null)",
        R"(,"resource_availability":["sleep"])", R"(,"resource_availability":{"order":{"status":"available"}})",
        R"(,"resource_availability":{"sleep":{}})", R"(,"resource_availability":{"sleep":{"status":7}})"}) {
    EXPECT_EQ(offered_of(availability), "heartrate sleep steps no \"path\" ") << availability;
  }
  std::vector<std::string> resources{"sleep"};
  EXPECT_EQ(keep_offered(kJunction, "{", resources).error().code, Code::kInvalidJson);
}

TEST(ReadBackfillNotice, ReadsTheRange) {
  const auto whole = read_backfill_notice(
      kJunction,
      R"({"data":{"provider":"oura","start_date":"2024-05-01T00:00:00+00:00","end_date":"2024-05-03","is_final":true}})");
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(whole.value().provider, "oura");
  EXPECT_EQ(whole.value().from, kFirstOfMay);
  EXPECT_EQ(whole.value().to, kFirstOfMay + 3 * kDay) << "a bare date is the end of that day";

  const auto without = read_backfill_notice(kJunction, R"({"data":{"provider":{"slug":"garmin"},"start_date":7}})");
  ASSERT_TRUE(without.ok());
  EXPECT_EQ(without.value().provider, "garmin");
  EXPECT_EQ(without.value().from, kNoInstant);
  EXPECT_EQ(without.value().to, kNoInstant);

  EXPECT_EQ(read_backfill_notice(kJunction, R"({"data":{}})").error().code, Code::kUnexpectedShape);
  EXPECT_EQ(read_backfill_notice(kJunction, "").error().code, Code::kInvalidJson);
}

TEST(StorableJson, ReplacesOnlyWhatNoDatabaseStores) {
  const struct {
    const char* text;
    const char* expected;
  } cases[] = {
      {R"({"a":"b"})", R"({"a":"b"})"},
      {R"("a\u0000b")", R"("a\ufffdb")"},
      {R"("\u0000\u0000")", R"("\ufffd\ufffd")"},
      {R"({"\u0000":1})", R"({"\ufffd":1})"},
      {R"("\ud83d\ude00")", R"("\ud83d\ude00")"},
      {R"("\uD83D\uDE00 \u00e9 \n \\")", R"("\uD83D\uDE00 \u00e9 \n \\")"},
      {R"("\ud83d")", R"("\ufffd")"},
      {R"("\ude00")", R"("\ufffd")"},
      {R"("\ud83d\ud83d\ude00")", R"("\ufffd\ud83d\ude00")"},
      {R"("\ud83d\n\ude00")", R"("\ufffd\n\ufffd")"},
      // A backslash that is itself escaped begins nothing.
      {R"("\\u0000")", R"("\\u0000")"},
      {R"("\\\u0000")", R"("\\\ufffd")"},
      {"", ""},
      {"\\", "\\"},
      {"\\u00", "\\u00"},
  };
  for (const auto& one : cases) EXPECT_EQ(storable_json(one.text), one.expected) << one.text;
}

TEST(StorableJson, OfBareWordsNullRemains) {
  const struct {
    const char* text;
    const char* expected;
  } cases[] = {
      {R"({"a":NaN,"b":[-Infinity, undefined ,1],"c":"NaN","NaN":inf})",
       R"({"a":null,"b":[null, null ,1],"c":"NaN","NaN":null})"},
      {"[nan]", "[null]"},
      {"{\"a\\\"NaN\":+Infinity}", "{\"a\\\"NaN\":null}"},
      {"[NaN,1e999]", "[null,null ]"},
      {"[NaNs,NaN(1),nul]", "[NaNs,NaN(1),nul]"},
      {"NaN", "NaN"},
      {"{NaN:1}", "{null:1}"},
      {"[NaN", "[null"},
      {"[\"NaN", "[\"NaN"},
  };
  for (const auto& one : cases) EXPECT_EQ(storable_json(one.text), one.expected) << one.text;
  std::string many = "[NaN";
  std::string nulls = "[null";
  for (std::size_t i = 1; i < 90'000; ++i) many += ",NaN", nulls += ",null";
  EXPECT_EQ(storable_json(many + "]"), nulls + "]");
}

TEST(StorableJson, OfWhatIsNestedTooDeepNullRemains) {
  const auto lists = [](std::size_t depth, const std::string& inner) {
    return std::string(depth, '[') + inner + std::string(depth, ']');
  };
  EXPECT_EQ(storable_json(lists(kMaxDepth, "1")), lists(kMaxDepth, "1"));
  for (const std::size_t depth : {kMaxDepth + 1UL, 5'000UL, 2'000'000UL}) {
    const std::string too_deep = lists(depth - kMaxDepth + 1, R"({"a":"]"},NaN)");
    EXPECT_EQ(storable_json(lists(kMaxDepth - 1, "1," + too_deep + ",2")), lists(kMaxDepth - 1, "1,[null],2"));
    EXPECT_EQ(storable_json(R"({"a":)" + lists(depth, "") + R"(,"b":NaN})"),
              R"({"a":)" + lists(kMaxDepth - 1, "null") + R"(,"b":null})");
    const std::string open = std::string(depth, '[');
    EXPECT_EQ(storable_json(open), open);
    EXPECT_EQ(storable_json(lists(depth, "tru")), lists(depth, "tru"));
  }
}

// `number` in the places where one may stand: replaced, or left as it is, and nothing else touched.
void expect_number(const std::string& number, bool stays) {
  const std::string blanks(number.size() < 4 ? 0 : number.size() - 4, ' ');
  const std::string stored = stays ? number : "null" + blanks;
  const std::string places[][3] = {
      {"", "", ""},
      {"[", ",1", "]"},
      {"[2.5e3, ", "", "]"},
      {R"({"a":)", R"(,"b":true,"c":[-0,null]})", ""},
      {R"({"1e200000":"\"\\","b":false, "a": )", "", "}"},
  };
  for (const auto& [before, behind, end] : places) {
    const std::string expected = before + stored + behind + end;
    EXPECT_EQ(storable_json(before + number + behind + end), expected) << number.substr(0, 40);
  }
  const std::string text = R"(["\"[)" + number + R"(]\\",")" + number + R"("])";
  EXPECT_EQ(storable_json(text), text);
}

// What jsonb would blow up is cut behind the first of its items, wherever they stand; brackets and text in strings are
// none.
TEST(StorableJson, OfVeryManyValuesTheFirstStay) {
  std::string list = "[7";
  for (int i = 1; i < 150'000; ++i) list += ",7";
  list += "]";
  std::string thousand = "[7";
  for (std::size_t i = 1; i < kKeptItems; ++i) thousand += ",7";
  thousand += "]";
  EXPECT_EQ(storable_json(list), thousand);
  EXPECT_EQ(storable_json("{\"a\":" + list + ",\"b]\":\"],[\",\"c\":{\"d\":" + list + "}}"),
            "{\"a\":" + thousand + ",\"b]\":\"],[\",\"c\":{\"d\":" + thousand + "}}");
  std::string deep = "[";
  for (int i = 0; i < 200; ++i) deep += (i == 0 ? "" : ",") + thousand;
  deep += "]";
  const std::string cut = storable_json(deep);
  EXPECT_LE(std::count(cut.begin(), cut.end(), ','), static_cast<long>(kMaxStoredValues));
  EXPECT_TRUE(read_envelope(kJunction, cut).is_json);
  EXPECT_EQ(storable_json(cut), cut);
  EXPECT_EQ(storable_json("[\"" + std::string(200'000, ',') + "\"]"), "[\"" + std::string(200'000, ',') + "\"]");
}

TEST(StorableJson, ReplacesOnlyNumbersThatNoDoubleNeeds) {
  const auto times = [](std::size_t count, char digit) { return std::string(count, digit); };
  const struct {
    std::string number;
    bool stays;
  } cases[] = {
      {"0", true},
      {"-12.5", true},
      {"1.7976931348623157e308", true},
      {"-4.9406564584124654e-324", true},
      {"1e400", true},
      {"1E+400", true},
      {"-1e-400", true},
      {"1e401", false},
      {"1E+401", false},
      {"0e-401", false},
      {"1e200000", false},
      {"-1E-20000", false},
      {"1e0000000001", true},
      {"1e" + times(40, '0') + "1", true},
      {"1e-" + times(40, '0') + "400", true},
      {"1e-" + times(40, '0') + "401", false},
      {"1e" + times(40, '9'), false},
      {"1e-" + times(40, '9'), false},
      {times(400, '9'), true},
      {times(401, '9'), false},
      {"-1" + times(398, '0'), true},
      {"-1" + times(399, '0'), false},
      {"0." + times(398, '1'), true},
      {"0." + times(399, '1'), false},
      {times(131072, '9') + "." + times(16383, '9'), false},
  };
  for (const auto& one : cases) expect_number(one.number, one.stays);
}

TEST(StorableJson, MakesNoJsonOfWhatIsNone) {
  for (const char* text : {"01e200000", "-01e200000", "+1e200000", "tru1e200000", "1.e200000", "1e200000e1", "-",
                           "\"1e200000", "\"\\\"1e200000"}) {
    EXPECT_FALSE(read_envelope(kJunction, storable_json(text)).is_json) << text;
  }
}

}  // namespace
}  // namespace wearables
