#include "json_case.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <sstream>
#include <string>

namespace wearables {
namespace {

using testing::Case;
using testing::fields;
using testing::samples;
using testing::shown;

const Case kTimeseries[] = {
    {R"({"data":{"source":{"provider":"p"},"data":[{"v":1},{"v":2}]}})",
     "list 'p'\n/data/data/0 1\n/data/data/1 2\nend\n"},
    {R"({"data":{"data":[{"v":1},{}],"source":{"provider":"p"}}})", "list 'p'\n/data/data/0 1\n/data/data/1 -\nend\n"},
    {R"({"data":{"data":[7,"x",null,[{"v":1}]]}})",
     "list -\n/data/data/0 no object\n/data/data/1 no object\n/data/data/2 no object\n/data/data/3 "
     "no "
     "object\nend\n"},
    // A list of groups; the list around them has no source, and the groups' own order varies.
    {R"({"data":[{"source":{"provider":"p"},"data":[{"v":1}]},{"data":[{"v":2}],"source":{"provider":"q"}}]})",
     "list -\nlist 'p'\n/data/0/data/0 1\nend\nlist 'q'\n/data/1/data/0 2\nend\nend\n"},
    // Samples and their source without a group around them.
    {R"({"data":[{"v":1}],"source":{"provider":"p"}})", "list 'p'\n/data/0 1\nend\n"},
    {R"({"groups":{"a/b":[{"source":{"provider":"p"},"data":[{"v":1}]},{"data":[]}],"c":[]},"next_cursor":null})",
     "list 'p' of a/b\n/groups/a~1b/0/data/0 1\nend\nlist - of a/b\nend\n"},
    {R"({"groups":{"g":{"data":[{"v":1}]}}})", "list - of g\n/groups/g/data/0 1\nend\n"},
    {R"([{"data":{"data":[{"v":1}]}},3,{"data":{"data":[{"v":2}]}}])",
     "list -\n/0/data/data/0 1\nend\nlist -\n/2/data/data/0 2\nend\n"},
    {R"({"data":{"data":{"source":{"provider":"p"},"data":[{"v":1}]}}})", "list 'p'\n/data/data/data/0 1\nend\n"},
    {R"({"d\u0061ta":{"data":[{"v":1}],"\u0073ource":{"provider":"p"}}})", "list 'p'\n/data/data/0 1\nend\n"},
    // Equal names: every list is walked, once; the last source counts when it stands behind them.
    {R"({"data":{"data":[{"v":1}],"data":[{"v":2}],"source":{"provider":"p"},"source":{"provider":"q"}}})",
     "list 'q'\n/data/data/0 1\nend\nlist 'q'\n/data/data/0 2\nend\n"},
    {R"({"data":{"data":[{"v":1}],"source":{"provider":"p"},"data":[{"v":2}]}})",
     "list 'p'\n/data/data/0 1\nend\nlist 'p'\n/data/data/0 2\nend\n"},
    {R"({"data":{"source":{"provider":"p"},"data":[{"source":{"provider":"q"},"data":[]}],"data":[{"v":2}]}})",
     "list 'p'\nlist 'q'\nend\nend\nlist 'p'\n/data/data/0 2\nend\n"},
    // A sample may have members named like those of a group.
    {R"({"data":{"data":[{"v":1,"source":{"provider":"x"},"data":{"a":[]},"groups":{"g":[]}}],"source":null}})",
     "list -\n/data/data/0 1\nend\n"},
    {R"({"data":{"data":[]}})", "list -\nend\n"},
    {R"({"groups":{}})", ""},
    {"[]", ""},
    {"{}", "shape"},
    {"7", "shape"},
    {"null", "shape"},
    {"[1,2]", "shape"},
    {"[{}]", "shape"},
    {R"([{"v":1}])", "shape"},
    {R"({"data":null})", ""},
    {R"({"data":{"id":"x","data":null}})", ""},
    {R"({"data":{"id":"x","data":7}})", "shape"},
    {R"([{"data":null},{"data":[{"v":1}]}])", "list -\n/1/data/0 1\nend\n"},
    {R"({"data":[null,7,"x",{"v":1},[],NaN]})",
     "list -\n/data/0 no object\n/data/1 no object\n/data/2 no object\n/data/3 1\n/data/4 no object\n/data/5 no object\nend\n"},
    {R"({"data":{"data":[{"v":1}],"later":tru}})", "invalid"},
    {R"({"data":{"data":[{"v":1},],"source":{}}})", "invalid"},
    {R"({"data":{"data":[{"v":1}],"source":{"provider":"p"}})", "invalid"},
};

TEST(WalkTimeseries, FindsTheSamplesInEveryShape) {
  for (const Case& one : kTimeseries) EXPECT_EQ(samples(one.body), one.expected) << one.body;
}

// Samples of like and unlike members: what stood at a place before says nothing about a sample.
const Case kUnlikeSamples[] = {
    {R"([{"v":1,"w":2},{"w":3,"v":4},{"v":5},{},{"w":6,"x":7,"v":8}])", "1 4 5 - 8"},
    {R"([{"v":1},{"vv":2},{"v ":3},{"":4},{"v":5}])", "1 - - - 5"},
    {R"([{"v":1},{"\u0076":2},{"v":3},{"v\n":4},{"v\ud800":5}])", "1 2 3 - -"},
    {R"([{"v":1},{"v":2,"v":3},{"v" :4},{ "v"	: 5 },{"v":{}}])", "1 3 4 5 {}"},
    {R"([{"a_name_of_17_byte":1,"v":1},{"a_name_of_17_bytX":1,"v":2},{"b_name_of_17_byte":1,"v":3}])", "1 2 3"},
    {R"([{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1,"v":1},)"
     R"({"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"v":2,"q":1}])",
     "1 2"},
};

TEST(WalkTimeseries, ComparesNoNameBeyondTheBody) {
  for (const std::size_t size : {59U, 60U, 61U, 62U, 63U, 64U, 100U, 5'000U}) {
    const std::string name(size, 'n');
    const std::string body = R"([{")" + name + R"(":1,"v":1},{")" + name + R"(":2,"v":2},{"n":3}])";
    EXPECT_EQ(samples(R"({"source":{},"data":)" + body + "}"), "list -\n/data/0 1\n/data/1 2\n/data/2 -\nend\n");
  }
}

TEST(WalkTimeseries, TakesEverySampleByItself) {
  for (const Case& one : kUnlikeSamples) {
    std::string values;
    std::istringstream lines(samples(R"({"source":{},"data":)" + one.body + "}"));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with('/')) values += line.substr(line.find(' '));
    }
    EXPECT_EQ(values, ' ' + one.expected) << one.body;
  }
}

// What a list is given that stands before its source: the samples come in the order of the body all the same.
TEST(WalkTimeseries, FindsASourceBehindItsList) {
  const Case cases[] = {
      {R"({"data":{"data":[{"v":1},7],"x":1,"source":{"provider":"p"}}})",
       "list 'p'\n/data/data/0 1\n/data/data/1 no object\nend\n"},
      {R"({"groups":{"g":[{"data":[{"v":1}],"source":{"provider":"p"}},{"data":[],"source":{"provider":"q"}}]}})",
       "list 'p' of g\n/groups/g/0/data/0 1\nend\nlist 'q' of g\nend\n"},
      {R"({"data":[{"v":1}],"source":{"provider":null}})", "list null\n/data/0 1\nend\n"},
      {R"({"data":[{"v":1}],"source":null})", "list -\n/data/0 1\nend\n"},
      {R"({"source":{"provider":"p"},"data":[{"v":1}],"source":{"provider":"q"},"data":[{"v":2}]})",
       "list 'p'\n/data/0 1\nend\nlist 'q'\n/data/0 2\nend\n"},
      {R"({"data":[{"v":1}],"source":{"provider":"p"},"data":[{"v":2}],"source":{"provider":"q"}})",
       "list 'q'\n/data/0 1\nend\nlist 'q'\n/data/0 2\nend\n"},
      {R"({"data":[{"v":1}],"source":{"provider":"p"},"data":[{"v":2}],"source":null})",
       "list 'p'\n/data/0 1\nend\nlist 'p'\n/data/0 2\nend\n"},
      // the inner list was walked first while the outer waited for its source: list 'q' end list 'p' 1 end
      {R"({"data":[{"v":1}],"data":{"source":{"provider":"q"},"data":[]},"source":{"provider":"p"}})",
       "list 'p'\n/data/0 1\nend\nlist 'q'\nend\n"},
      {R"({"data":[{"v":1},{"data":[{"v":2}],"source":{"provider":"q"}},{"v":3}],"source":{"provider":"p"}})",
       "list 'p'\n/data/0 1\nlist 'q'\n/data/1/data/0 2\nend\n/data/2 3\nend\n"},
      {R"({"data":{"data":[{"v":1}],"provider":"p"}})", "list - of p\n/data/data/0 1\nend\n"},
      {R"({"data":{"provider":"n","data":[{"v":1}],"provider":"o","data":[{"v":2}],"provider":"p"}})",
       "list - of p\n/data/data/0 1\nend\nlist - of p\n/data/data/0 2\nend\n"},
      {R"({"data":{"data":{"v":1},"source":{"provider":"p"}}})", "list 'p'\n/data/data 1\nend\n"},
      {R"({"data":[],"source":{"provider":"\u0070"}})", "list 'p'\nend\n"},
      // the first bracket that closes is within a string
      {R"({"data":[{"v":1,"s":"]"},{"v":2}],"source":{"provider":"p"}})", "list 'p'\n/data/0 1\n/data/1 2\nend\n"},
      {R"({"data":[{"v":1}],"source":{"provider":tru}})", "invalid"},
      {R"({"data":[{"v":1}}],"source":{"provider":"p"}})", "invalid"},
      {R"({"data":[{"v":1}],"x":})", "invalid"},
  };
  for (const Case& one : cases) EXPECT_EQ(samples(one.body), one.expected) << one.body;
}

std::string nested_before_source(std::size_t levels, const std::string& inner, const std::string& open,
                                 const std::string& close) {
  std::string text;
  for (std::size_t i = 0; i < levels; ++i) text += open;
  text += inner;
  for (std::size_t i = 0; i < levels; ++i) text += close;
  return text;
}

// Each list that stands before its source is passed over to find it, so there is a bound for such lists within one
// another: without it every level would pass over all below.
TEST(WalkTimeseries, FindsSourcesBehindListsWithinLists) {
  const auto lists = [](std::size_t levels) {
    return samples(nested_before_source(levels, R"({"v":1})", R"({"data":[)", R"(],"source":{"provider":"p"}})"));
  };
  const auto objects = [](std::size_t levels) {
    return samples(nested_before_source(levels, R"({"v":1})", R"({"data":[],"data":)", R"(,"source":{}})"));
  };
  const std::string eight = std::string("/data/0/data/0/data/0/data/0/data/0/data/0/data/0/data");
  EXPECT_NE(lists(8).find('\n' + eight + "/0 1\n"), std::string::npos) << lists(8);
  EXPECT_NE(lists(9).find('\n' + eight + "/0/data too deep\n"), std::string::npos) << lists(9);
  EXPECT_EQ(objects(8).find("too deep"), std::string::npos) << objects(8);
  EXPECT_NE(objects(9).find("too deep"), std::string::npos) << objects(9);
  // beside one another they may be as many as they like
  std::string beside;
  for (int i = 0; i < 20; ++i) beside += (i == 0 ? "" : ",") + std::string(R"({"data":[{"v":1}],"source":{}})");
  EXPECT_EQ(samples("[" + beside + "]").find("too deep"), std::string::npos);
}

// 400 levels of lists, and of objects beside lists, around 4 MB: 400 times over all of it took seconds.
TEST(WalkTimeseries, PassesOverWhatIsNestedAFewTimesOnly) {
  constexpr std::size_t kLevels = 400;
  std::string inner = R"({"x":[1)";
  for (int i = 0; i < 1'000'000; ++i) inner += ",123";
  inner += "]}";
  const auto seconds_of = [](const std::string& body) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_NE(samples(body).find("too deep"), std::string::npos);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const std::string source = R"(,"source":{"provider":"p"}})";
  const double plain = seconds_of(nested_before_source(kLevels, inner, R"({"source":{},"data":[)", "]}") + " ");
  EXPECT_LT(seconds_of(nested_before_source(kLevels, inner, R"({"data":[)", "]" + source)), 20 * plain + 0.1);
  EXPECT_LT(seconds_of(nested_before_source(kLevels, inner, R"({"data":[],"data":)", source)), 20 * plain + 0.1);
}

}  // namespace
}  // namespace wearables
