#include "json_case.h"

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

namespace wearables {
namespace {

using testing::Case;
using testing::fields;
using testing::Notes;
using testing::outcome;
using testing::samples;

std::string object(std::string_view body, const FieldSet& set) {
  Notes notes(Notes::Places::kLeftOut);
  return outcome(walk_objects(body, set, notes), notes);
}

std::string documents(std::string_view body) {
  const FieldSet set = fields({"id", "a.b"});
  Notes notes;
  return outcome(walk_documents(body, "nights", set, 0, notes, nullptr), notes);
}

TEST(FieldSet, GivesEveryPathItsSlot) {
  FieldSet set;
  EXPECT_EQ(set.add("a"), 0);
  EXPECT_EQ(set.add("a.b"), 1);
  EXPECT_EQ(set.add("long.members/with~signs"), 2);
  EXPECT_EQ(set.add("a"), 0);
  EXPECT_EQ(set.add("a.b"), 1);
  EXPECT_EQ(set.size(), 3U);
  EXPECT_EQ(set.pointer(1), "/a/b");
  EXPECT_EQ(set.pointer(2), "/long/members~1with~0signs");
}

TEST(FieldSet, KnowsAPathWhenItSeesOne) {
  for (const char* path :
       {"a", "a.b.c", "with blank", "\xC3\xA9", "a-b_c/d~e", "a.0", "a.*", "a.*.b", "a.0.b.*", "a*.b*"}) {
    EXPECT_TRUE(FieldSet::valid(path)) << path;
  }
  EXPECT_TRUE(FieldSet::valid(std::string(kMaxMemberName, 'x')));
  EXPECT_FALSE(FieldSet::valid(std::string(kMaxMemberName + 1, 'x')));
  for (const char* path : {"", ".", "a.", ".a", "a..b", "a\"b", "a\\b", "a\tb", "*", "*.a", "a.*.*", "a.*.b.*"}) {
    EXPECT_FALSE(FieldSet::valid(path)) << path;
  }
}

TEST(FieldSet, KeepsWhatAStarReadsInListsOfItsOwn) {
  FieldSet set;
  EXPECT_EQ(set.add("plain"), 0);
  EXPECT_EQ(set.add("list.*.b"), 1);
  EXPECT_EQ(set.add("list.*"), 2);
  EXPECT_EQ(set.add("deep.er.*.b"), 3);
  EXPECT_EQ(set.add("list.*.b"), 1);
  EXPECT_EQ(set.pointer(1), "/list/*/b");
  EXPECT_EQ(set.list_of(0), -1);
  EXPECT_EQ(set.list_of(2), 0);
  EXPECT_EQ(set.list_of(3), 1);
  EXPECT_EQ(set.lists(), (std::vector<FieldSet::List>{{1, 2}, {3}}));
}

// Many names of every length, many with the same first eight bytes.
TEST(FieldSet, FindsEveryNameAmongMany) {
  FieldSet set;
  std::string body = "{";
  std::string expected;
  for (std::size_t i = 0; i < 300; ++i) {
    const std::string name =
        (i % 3 == 0 ? "measured_" : "") + std::to_string(i) + std::string(i % 40, static_cast<char>('a' + i % 26));
    set.add(name);
    body += (i == 0 ? "\"" : ",\"") + name + "\":" + std::to_string(i) + ",\"" + name + "x\":true";
    expected += " " + std::to_string(i);
  }
  EXPECT_EQ(object(body + "}", set), expected + "\n");
}

TEST(WalkObjects, FillsSlotsWithEveryKind) {
  const FieldSet set = fields({"n", "b", "s", "o", "a", "z", "gone"});
  EXPECT_EQ(object(R"( {"n":-1.5e1 ,"b":true,"s":"x","o":{},"a":[],"z":null} )", set),
            " -1.5e1 bool 'x' {} [] null -\n");
}

TEST(WalkObjects, TheLastOfEqualNamesCounts) {
  const FieldSet set = fields({"a", "a.b"});
  EXPECT_EQ(object(R"({"a":1,"a":2})", set), " 2 -\n");
  EXPECT_EQ(object(R"({"a":{"b":1},"a":{"c":2}})", set), " {} -\n");
  EXPECT_EQ(object(R"({"a":{"b":1},"a":null})", set), " null -\n");
  EXPECT_EQ(object(R"({"a":{"b":1,"b":2}})", set), " {} 2\n");
}

TEST(WalkObjects, FindsPlacesOfLists) {
  const FieldSet set = fields({"a.0", "a.2.b", "a.10"});
  EXPECT_EQ(object(R"({"a":[1,2,{"b":3},4]})", set), " 1 3 -\n");
  EXPECT_EQ(object(R"({"a":[[],0,0,0,0,0,0,0,0,0,"x"]})", set), " [] - 'x'\n");
  EXPECT_EQ(object(R"({"a":[]})", set), " - - -\n");
  EXPECT_EQ(object(R"({"a":{"0":5,"2":{"b":6}}})", set), " 5 6 -\n");
  EXPECT_EQ(object(R"({"a":[1],"a":[]})", set), " - - -\n");
}

TEST(WalkObjects, FindsEveryPlaceOfAList) {
  const FieldSet set = fields({"v", "a.*", "a.*.b", "c.d.*.e.0"});
  EXPECT_EQ(object(R"({"v":7,"a":[1,{"b":2},null]})", set), " 7 - - - | 1 - {} 2 null - |\n");
  EXPECT_EQ(object(R"({"c":{"d":[{"e":[3,4]},{"e":5}]}})", set), " - - - - | | 3 -\n");
  EXPECT_EQ(object(R"({"a":[1,2],"a":[3]})", set), " - - - - | 3 - |\n");
  EXPECT_EQ(object(R"({"a":[1,2],"a":null})", set), " - - - - | |\n");
  EXPECT_EQ(object(R"({"a":{"*":1,"b":2}})", set), " - - - - | 1 - 2 - |\n");
  EXPECT_EQ(object(R"([{"a":[1]},{"v":2}])", set), "/0 - - - - | 1 - |\n/1 2 - - - | |\n");
}

TEST(WalkObjects, ReadsEscapedNamesAndTexts) {
  const FieldSet set = fields({"value", "heart_rate.resting"});
  EXPECT_EQ(object(R"({"v\u0061lue":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"})", set),
            " '\"\\/\b\f\n\r\t\xC3\xA9\xF0\x9F\x98\x80' -\n");
  EXPECT_EQ(object(R"({"heart\u005frate":{"resting":48}})", set), " - 48\n");
  EXPECT_EQ(object(R"({"value":"a\u0000b"})", set), " '" + std::string("a\0b", 3) + "' -\n");
  // A lone surrogate is grammar, but no text.
  EXPECT_EQ(object(R"({"value":"\ud800"})", set), " '\xEF\xBF\xBD' -\n");
  EXPECT_EQ(object(R"({"value":"\udc00x","\ud800":1})", set), " '\xEF\xBF\xBD' -\n");
}

TEST(WalkObjects, NumbersOfAnySize) {
  const FieldSet set = fields({"v"});
  for (const char* number :
       {"0", "-0", "0.0", "18446744073709551616", "123456789012345678901234567890", "1E+2", "1e-400",
        "-1.7976931348623157e308", "0.1000000000000000055511151231257827021181583404541015625"}) {
    EXPECT_EQ(object("{\"v\":" + std::string(number) + "}", set), " " + std::string(number) + "\n");
  }
  for (const char* number : {"1e400", "-1e400", "1.5E+309"}) {
    EXPECT_EQ(object("{\"v\":" + std::string(number) + " }", set), " inf:" + std::string(number) + "\n");
  }
  const std::string endless(400, '9');
  EXPECT_EQ(object("{\"v\":" + endless + "}", set), " inf:" + endless + "\n");
}

// A walk guesses the next member by the body before, and no guess may be seen.
TEST(WalkObjects, FindsMembersInAnyOrderAfterAnother) {
  const FieldSet set = fields({"a", "b", "eight_by", "nine_byte", "fifteen_bytes__", "sixteen_bytes___",
                               "more_than_sixteen", "more_than_sixteem", "o.a", "o.b", "o"});
  const std::string usual = R"({"a":1,"b":2,"eight_by":3,"nine_byte":4,"fifteen_bytes__":5,"sixteen_bytes___":6,)"
                            R"("more_than_sixteen":7,"more_than_sixteem":8,"o":{"a":9,"b":10}})";
  const std::string expected = " 1 2 3 4 5 6 7 8 9 10 {}\n";
  const char* others[] = {
      R"({"o":{"b":10,"a":9},"more_than_sixteem":8,"more_than_sixteen":7,"sixteen_bytes___":6,)"
      R"("fifteen_bytes__":5,"nine_byte":4,"eight_by":3,"b":2,"a":1})",
      R"({"x":0,"a" : 1 ,"b":0,"b":2,"a_":0,"":0,"eight_b":0,"eight_by":3,"eight_byt":0,"nine_byte":4,)"
      R"("fifteen_bytes__":5,"sixteen_bytes___":6,"more_than_sixteen":7,"more_than_sixteeo":0,)"
      R"("more_than_sixteem":8,"o":{"x":0,"a":9,"b":10,"y":0}})",
      R"({"\u0061":1,"b":2,"eight\u005fby":3,"nine_byte":4,"fifteen_bytes__":5,"sixteen_bytes___":6,)"
      R"("more_than_sixteen":7,"more_than_sixteem":8,"o":1,"o":{"a":9,"\u0062":10}})",
  };
  for (const char* other : others) {
    EXPECT_EQ(object(usual, set), expected);
    EXPECT_EQ(object(usual, set), expected);
    EXPECT_EQ(object(other, set), expected) << other;
    EXPECT_EQ(object(other, set), expected) << other;
  }
  EXPECT_EQ(object(R"({"a":1,"b":{"a":2},"o":7})", set), " 1 {} - - - - - - - - 7\n");
}

TEST(WalkObjects, TakesEveryObjectOfAList) {
  const FieldSet set = fields({"v"});
  EXPECT_EQ(object(R"([{"v":1},2,[{"v":3}],{}])", set), "/0 1\n/3 -\n");
  EXPECT_EQ(object("[]", set), "");
  EXPECT_EQ(object("7", set), "");
}

// Every one of these stands behind a value that is read first: nothing of it may count.
TEST(WalkObjects, RefusesWhatIsNotOneJsonValue) {
  const FieldSet set = fields({"v"});
  const char* const tails[] = {
      "",           "\"v\"",        "\"v\":",     "\"v\":1",      "tru garbage}", "tru}",       "truex}", "nul}",
      "nulll}",     "True}",        "NaNs}",      "Infinite}",    "01}",          "-}",         "+1}",    "1.}",
      ".5}",        "1e}",          "1e+}",       "0x10}",        "1 2}",         "--1}",       "1-}",    "\"a}",
      "\"\\q\"}",   "\"\\u12g4\"}", "\"\\u12\"}", "\"a\tb\"}",    "[1,]}",        "[1}",        "[1 2]}", "{\"a\":1,}}",
      "{\"a\" 1}}", "{a:1}}",       "{1:1}}",     "{\"\\x\":1}}", "1}}",          "1}]",        "1},",    "1} 1",
      "1}{}",       "{\"a\":1]}",   "[[1]}",      "'a'}",         "1,}",          "/* c */ 1}", "1} //",  "\x01}",
  };
  for (const char* tail : tails) {
    EXPECT_EQ(object("{\"v\":1,\"later\":" + std::string(tail), set), "invalid") << tail;
  }
  for (const char* whole :
       {"",    " ",           "\n\t",    "{",   "[",   "\"",           "}",         "]", ",", "tru", "nul", "-", "01",
        "1 1", "\"a\" \"b\"", "\"\\x\"", "{}x", "[]]", "\xEF\xBB\xBF", "\xEF\xBB{}"}) {
    EXPECT_EQ(object(whole, set), "invalid") << whole;
  }
}

TEST(WalkObjects, RefusesWhatIsNotUtf8) {
  const FieldSet set = fields({"v"});
  for (const char* bytes : {"\xFF", "\xC0\xAF", "\xED\xA0\x80", "\xF8\x88\x80\x80\x80", "\xC3"}) {
    EXPECT_EQ(object("{\"v\":\"" + std::string(bytes) + "\"}", set), "invalid");
  }
  EXPECT_EQ(object(std::string("{\"v\":1}\0", 8), set), "invalid");
}

TEST(WalkObjects, SkipsAByteOrderMark) { EXPECT_EQ(object("\xEF\xBB\xBF{\"v\":1}", fields({"v"})), " 1\n"); }

std::string nested(std::size_t depth, const std::string& inner = "") {
  return std::string(depth, '[') + inner + std::string(depth, ']');
}

std::string repeated(std::size_t times, const std::string& open, const std::string& inner, const std::string& close) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += open;
  text += inner;
  for (std::size_t i = 0; i < times; ++i) text += close;
  return text;
}

TEST(Walk, WhatIsNestedDeepCostsNothingBesideIt) {
  const FieldSet set = fields({"v", "w.x"});
  for (const std::size_t depth : {400U, 497U, 498U, 499U, 500U, 501U, 502U, 1'000U, 5'000U, 100'000U, 2'000'000U}) {
    const std::string lists = nested(depth);
    const std::string objects = repeated(depth, R"({"w":)", "NaN", "}");
    EXPECT_EQ(object(R"({"u":)" + lists + R"(,"v":1,"w":{"x":)" + objects + "}}", set), " 1 {}\n") << depth;
    EXPECT_EQ(object(R"([{"v":)" + lists + "}," + lists + "," + objects + R"(,{"v":2}])", set),
              "/0 [] -\n/2 - " + std::string(depth > 1 ? "-" : "") + "\n/3 2 -\n")
        << depth;
    EXPECT_EQ(samples(R"({"u":)" + lists + R"(,"source":{"u":)" + lists + R"(},"data":[{"v":1,"u":)" + objects + "}," +
                      lists + R"(,{"v":)" + lists + "}]}"),
              "list -\n/data/0 1\n/data/1 no object\n/data/2 []\nend\n")
        << depth;
    EXPECT_EQ(
        documents(R"({"u":)" + lists + R"(,"data":[{"id":"n","u":)" + objects + "}," + lists + "]}").substr(0, 12),
        "/data/0 'n' ")
        << depth;
    EXPECT_EQ(object(lists, set), "") << depth;
    EXPECT_EQ(samples(lists), "shape") << depth;
    EXPECT_EQ(documents(objects), "shape") << depth;
  }
}

// A reading that is itself nested too deep is one that cannot be read.
TEST(Walk, ReadsNoReadingThatIsNestedTooDeep) {
  const auto last_line = [](const std::string& text) {
    const std::size_t from = text.rfind("/data");
    return text.substr(text.rfind('\n', from) + 1).substr(text.find(' ', from) - text.rfind('\n', from) - 1);
  };
  const auto lists = [&](std::size_t depth) { return repeated(depth, R"({"source":{},"data":[)", R"({"v":1})", "]}"); };
  EXPECT_EQ(last_line(samples(lists(249))).substr(0, 3), " 1\n");
  EXPECT_EQ(last_line(documents(repeated(249, R"({"data":[)", R"({"id":"n"})", "]}"))).substr(0, 5), " 'n' ");
  for (const std::size_t depth : {250U, 1'000U, 5'000U}) {
    EXPECT_EQ(last_line(samples(lists(depth))).substr(0, 10), " too deep\n") << depth;
    EXPECT_EQ(last_line(documents(repeated(depth, R"({"data":[)", R"({"id":"n"})", "]}"))), " too deep\n") << depth;
  }
  for (const std::size_t depth : {501U, 5'000U, 100'000U}) {
    const std::string groups = samples(repeated(depth, R"({"data":)", "1", "}"));
    EXPECT_EQ(last_line(groups), " too deep\nend\n") << depth;
  }
}

TEST(Walk, ChecksWhatIsNestedTooDeep) {
  const FieldSet set = fields({"v"});
  const char* const good[] = {
      "",
      "1",
      "null",
      "NaN,-Infinity,undefined",
      "\"\\ud800\"",
      "\"\\u0041\\n]\"",
      " 1 , 2 ",
      "{}",
      R"({"":1})",
      R"({"a":[{}],"b":{"c":1e400}} )",
      "[ ],{ }",
      "true,false",
      "\"]\",\"[\"",
  };
  const char* const bad[] = {
      "1,",    "[",        "]",           "{",           "}",          "{]",
      "[}",    "tru",      "01",          "1 2",         "1,,2",       ",1",
      "{1:1}", R"({"a"})", R"({"a":})",   R"({"a":1,})", R"({"a" 1})", R"({"a":1 "b":2})",
      "{a:1}", "\"\\x\"",  R"({"\q":1})", "\"a\" \"b\"", "[1 2]",      "[1,]",
      ":",     "\"a\":1",  "NaNa",        "nul",
  };
  for (const std::size_t depth : {498U, 499U, 500U, 3'000U}) {
    for (const char* inner : good) {
      EXPECT_EQ(object(R"({"u":)" + nested(depth, inner) + R"(,"v":1})", set), " 1\n") << depth << inner;
    }
    for (const char* inner : bad) {
      EXPECT_EQ(object(R"({"u":)" + nested(depth, inner) + R"(,"v":1})", set), "invalid") << depth << inner;
    }
  }
}

const char* const kBareWords[] = {"NaN",      "nan", "-NaN", "+nan", "Infinity",  "-Infinity", "+Infinity",
                                  "INFINITY", "inf", "-inf", "+Inf", "undefined", "Undefined"};

TEST(Walk, ABareWordIsAValue) {
  const FieldSet set = fields({"v", "w"});
  for (const std::string word : kBareWords) {
    EXPECT_EQ(object("{\"v\":" + word + " , \"u\":[" + word + ",{\"x\": " + word + "\n}],\"w\":1}", set), " word 1\n")
        << word;
    EXPECT_EQ(object(word, set), "invalid");
    EXPECT_EQ(
        samples("{\"data\":[{\"v\":1,\"u\":" + word + "}," + word + ",{\"v\":" + word + "}],\"source\":" + word + "}"),
        "list -\n/data/0 1\n/data/1 no object\n/data/2 word\nend\n")
        << word;
    EXPECT_EQ(documents("{\"data\":{\"id\":\"n\",\"a\":{\"b\":" + word + "}}}"),
              "/data 'n' word 8+" + std::to_string(21 + word.size()) + '\n')
        << word;
    EXPECT_EQ(samples("{\"data\":" + word + "}"), "shape");
    EXPECT_EQ(documents("{\"data\":" + word + "}"), "shape");
  }
  for (const char* word :
       {"NaNs", "NaN(1)", "Infinit", "--inf", "-undefined", "None", "nul", "-", "+", "True", "N", "inf1", "1.#INF"}) {
    EXPECT_EQ(object("{\"v\":" + std::string(word) + "}", set), "invalid") << word;
    EXPECT_EQ(object("{\"u\":" + std::string(word) + ",\"v\":1}", set), "invalid") << word;
  }
  for (const char* body : {"{NaN:1}", "{\"v\":NaN NaN}", "{\"v\" NaN}", "{\"v\":NaN", "NaN NaN", "{\"v\":NaN\"\"}"}) {
    EXPECT_EQ(object(body, set), "invalid") << body;
  }
}

class AnyRecord final : public RecordSink {
 public:
  void record(const Record&) override { any = true; }
  bool any = false;
};

// Where null stands in place of all readings, or what else does, in words that hold nothing of the body.
TEST(Walk, SaysWhatStandsWhereReadingsShould) {
  const FieldSet set = fields({"id"});
  struct Place {
    std::string body, samples, documents;
  };
  const std::string nowhere = "no list in \"data\", \"data.data\" or \"groups\"";
  const std::string no_document = "no object or list in \"data\" or \"nights\"";
  const Place places[] = {
      {R"({"data":null})", "null at data", "null at data"},
      {R"({"data": null ,"x":NaN})", "null at data", "null at data"},
      {R"({"data":{"data":null}})", "null at data.data", "null at data.data"},
      {R"({"data":{"source":{"provider":"p"},"data":null }})", "null at data.data", "null at data.data"},
      {R"([{"data":null},{"data":{"data":null}}])", "null at data", "null at data"},
      {R"({"groups":null})", "null at groups", no_document},
      {R"({"groups":{"p":[{"data":null}]}})", "", no_document},
      {R"({"nights":null})", nowhere, "null at nights"},
      {R"({"data":null,"nights":7})", "null at data", R"("nights" is a number, not an object or a list)"},
      {R"({"data":7})", R"("data" is a number, not a list or an object)",
       R"("data" is a number, not an object or a list)"},
      {R"({"data":"none"})", R"("data" is a string, not a list or an object)",
       R"("data" is a string, not an object or a list)"},
      {R"({"data":true})", R"("data" is a boolean, not a list or an object)",
       R"("data" is a boolean, not an object or a list)"},
      {R"({"data":NaN})", R"("data" is a word unknown to JSON, not a list or an object)",
       R"("data" is a word unknown to JSON, not an object or a list)"},
      {R"({"data":{"data":-1e400}})", R"("data.data" is a number, not a list or an object)", "record "},
      {R"({"data":{"id":1,"data":null}})", "null at data.data", "record "},
      {R"({"groups":[]})", R"("groups" is a list, not an object)", no_document},
      {R"({"data":{}})", nowhere, "record "},
      {"{}", nowhere, no_document},
      {"7", "the body is a number, not an object or a list", "the body is a number, not an object or a list"},
      {"\"x\"", "the body is a string, not an object or a list", "the body is a string, not an object or a list"},
      {R"({"data":7,"x":)" + nested(600) + "}",
       R"("data" is a number, not a list or an object, and something is nested deeper than 500 levels)",
       R"("data" is a number, not an object or a list, and something is nested deeper than 500 levels)"},
  };
  const auto told = [](const Result<WalkFindings>& done, const AnyRecord& sink) {
    if (!done.ok()) return done.error().message;
    const WalkFindings& found = done.value();
    const std::string place = found.null_at + (found.is_too_deep ? " deep" : "");
    return (sink.any ? "record " : "") + (place.empty() ? "" : "null at " + place);
  };
  for (const Place& one : places) {
    AnyRecord of_samples, of_documents;
    EXPECT_EQ(told(walk_timeseries(one.body, set, set, of_samples, nullptr), of_samples).substr(0, 200), one.samples)
        << one.body.substr(0, 80);
    EXPECT_EQ(told(walk_documents(one.body, "nights", set, 0, of_documents, nullptr), of_documents), one.documents)
        << one.body.substr(0, 80);
  }
}

const Case kDocuments[] = {
    {R"({"data":{"id":"n","a":{"b":1}}})", "/data 'n' 1 8+22\n"},
    {R"({"data": [ {"id":"n"} , {"id":"m"} ] })", "/data/0 'n' - 11+10\n/data/1 'm' - 24+10\n"},
    {R"({"data":{"data":[{"id":"n"}]}})", "/data/data/0 'n' - 17+10\n"},
    {R"({"nights":[{"id":"n"}]})", "/nights/0 'n' - 11+10\n"},
    {R"({"nights":{"id":"n"}})", "/nights 'n' - 10+10\n"},
    {R"([{"data":{"id":"n"}},{"nights":[{"id":"m"}]}])", "/0/data 'n' - 9+10\n/1/nights/0 'm' - 32+10\n"},
    {R"( {"id":"n" } )", " 'n' - 1+11\n"},
    {R"([{"id":"n"},{"id":"m"}])", "/0 'n' - 1+10\n/1 'm' - 12+10\n"},
    // A meal's data is its food, and a list beside an id is no list of documents either.
    {R"({"data":{"id":"m","data":{"Apple":{"id":"x"}}}})", "/data 'm' - 8+38\n"},
    {R"({"data":{"id":"m","data":[{"id":"x"}]}})", "/data 'm' - 8+30\n"},
    {R"({"data":{"a":{"b":2}}})", "/data - 2 8+13\n"},
    {R"({"data":{}})", "/data - - 8+2\n"},
    {R"({"data":[7,{"id":"n"}]})", "/data/0 no object\n/data/1 'n' - 11+10\n"},
    {R"({"data":[[{"id":"n"}]]})", "/data/0 no object\n"},
    {"\xEF\xBB\xBF{\"data\":{\"id\":\"n\"}}", "/data 'n' - 11+10\n"},
    {"{\"data\":\n\t{\"id\":\"}\"}\r\n}", "/data '}' - 10+10\n"},
    {R"({"data":[]})", ""},
    {R"({"nights":[]})", ""},
    {"[]", ""},
    {"{}", "shape"},
    {"[{}]", "shape"},
    {R"({"data":null})", ""},
    {R"({"data":{"data":null}})", ""},
    {R"({"data":{"data":null,"id":"n"}})", "/data 'n' - 8+22\n"},
    {R"({"data":[{"data":null}]})", "/data/0 - - 9+13\n"},
    {R"({"nights":null})", ""},
    {R"({"data":7,"nights":"x"})", "shape"},
    {R"({"other":[{"id":"n"}]})", "shape"},
    {"\"text\"", "shape"},
    {R"({"data":{"id":"n"},"later":tru})", "invalid"},
    {R"({"data":{"id":"n"}]})", "invalid"},
    {R"([{"id":"n"}}])", "invalid"},
};

TEST(WalkDocuments, FindsTheDocumentsInEveryShape) {
  for (const Case& one : kDocuments) EXPECT_EQ(documents(one.body), one.expected) << one.body;
}

TEST(WalkDocuments, CutsTheTextOutOfTheBody) {
  const std::string body = "{ \"nights\" : [ {\"id\":\"a\" , \"a\":{\"b\":[{}]} }\n, {\"id\":\"b\"}] }";
  class Cut final : public RecordSink {
   public:
    explicit Cut(const std::string& body) : body_(body) {}
    void record(const Record& record) override { texts.push_back(body_.substr(record.offset, record.length)); }
    std::vector<std::string> texts;

   private:
    const std::string& body_;
  } cut(body);
  ASSERT_TRUE(walk_documents(body, "nights", fields({"id"}), 0, cut, nullptr).ok());
  EXPECT_EQ(cut.texts, (std::vector<std::string>{"{\"id\":\"a\" , \"a\":{\"b\":[{}]} }", "{\"id\":\"b\"}"}));
}

int g_asked;

TEST(Walk, StopsWhenItIsTold) {
  std::string body = R"({"data":{"data":[)";
  for (int i = 0; i < 5'000; ++i) body += i == 0 ? "{}" : ",{}";
  body += "]}}";
  const FieldSet set = fields({"v"});
  Notes notes;
  g_asked = 0;
  const auto third = [] { return ++g_asked == 3; };
  EXPECT_EQ(outcome(walk_timeseries(body, set, set, notes, third), notes), "stopped");
  EXPECT_EQ(g_asked, 3);
  g_asked = 10;
  EXPECT_TRUE(walk_timeseries(body, set, set, notes, third).ok());
  EXPECT_GE(g_asked, 13);
}

// The memory of a huge body is given back, and what follows is not disturbed by what was there
// before.
TEST(Walk, IsTheSameAfterAHugeBody) {
  const FieldSet set = fields({"v"});
  const std::string small = R"({"v":"\u0041"})";
  const std::string huge = "{\"v\":\"" + std::string(9'000'000, 'x') + "\"}";
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(object(small, set), " 'A'\n");
    EXPECT_EQ(object(huge, set).size(), huge.size() - 2 - 2);
    EXPECT_EQ(object(huge.substr(0, huge.size() - 1), set), "invalid");
  }
}

// What stands around a list, and a document that stands by itself, are read a second time: more unescaped text than body.
TEST(Walk, HasRoomForTextsThatAreReadTwice) {
  const std::string text = "\\u0041" + std::string(3'000'000, 'b');
  const std::string name = "{\"" + text + "\":1,";
  const std::string value = "{\"w\":\"" + text + "\",";
  for (const std::string& first : {name, value}) {
    EXPECT_EQ(object("7", fields({"v"})), "");  // gives back the room of a larger body
    EXPECT_EQ(documents(first + R"("id":"n","a":{"b":1}})"), " 'n' 1 0+" + std::to_string(first.size() + 21) + '\n');
    EXPECT_EQ(samples(R"({"source":{},"data":[)" + first + R"("data":[{"v":1}]}]})"),
              "list -\nlist -\n/data/0/data/0 1\nend\nend\n");
  }
}

// The walk copies what it needs padding for, so a body may end where its memory ends.
TEST(Walk, ReadsNothingBehindTheBody) {
  for (const std::string& whole : {std::string(R"({"v":1,"w":"\u0041","x":[true,null,1e400]})"),
                                   std::string(R"({"data":{"data":[{"v":"x"}],"source":{"provider":"p"}}})")}) {
    for (std::size_t length = 0; length < whole.size(); ++length) {
      const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      const std::string_view body(cut.data(), cut.size());
      EXPECT_EQ(object(body, fields({"v"})), "invalid") << length;
      EXPECT_EQ(samples(body), "invalid") << length;
      EXPECT_EQ(documents(body), "invalid") << length;
    }
  }
}

}  // namespace
}  // namespace wearables
