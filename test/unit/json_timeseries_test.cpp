#include "json_case.h"

#include <gtest/gtest.h>

#include <span>
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

// A sink that takes a list before its source.
class Eager final : public RecordSink {
 public:
  void begin_list(std::span<const Value> source, std::string_view) override {
    text_ += "list " + shown(source[0]) + ' ';
  }
  void end_list() override { text_ += "end "; }
  bool begin_list_before_source() override {
    text_ += "early ";
    return true;
  }
  bool source_behind(std::span<const Value> source, std::string_view group) override {
    text_ += "source " + shown(source[0]) + ' ' + std::string(group);
    return source[0].present();
  }
  void restart() override { text_ = "again: "; }
  void record(const Record& record) override { text_ += (record.is_object ? shown(record.fields[0]) : "no") + ' '; }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

TEST(WalkTimeseries, TakesAListBeforeItsSource) {
  const Case cases[] = {
      {R"({"data":{"source":{"provider":"p"},"data":[{"v":1}]}})", "list 'p' 1 end "},
      {R"({"data":{"data":[{"v":1},7],"x":1,"source":{"provider":"p"}}})", "early 1 no end source 'p' "},
      {R"({"groups":{"g":[{"data":[{"v":1}],"source":{"provider":"p"}},{"data":[],"source":{"provider":"q"}}]}})",
       "early 1 end source 'p' gearly end source 'q' g"},
      {R"({"data":[{"v":1}]})", "again: list - 1 end "},
      {R"({"data":[{"v":1}],"source":{"provider":null}})", "again: list null 1 end "},
      {R"({"data":[{"v":1}],"data":[{"v":2}],"source":{"provider":"p"}})", "again: list 'p' 1 end list 'p' 2 end "},
      {R"({"data":[{"v":1}],"source":{"provider":"p"},"data":[{"v":2}]})", "again: list 'p' 1 end list 'p' 2 end "},
      {R"({"data":[{"v":1}],"data":{"source":{"provider":"q"},"data":[]},"source":{"provider":"p"}})",
       "again: list 'q' end list 'p' 1 end "},
      {R"({"data":[{"v":1},{"data":[{"v":2}],"source":{"provider":"q"}}],"source":{"provider":"p"}})",
       "again: list 'p' 1 list 'q' 2 end end "},
  };
  const FieldSet set = fields({"v"});
  const FieldSet source = fields({"provider"});
  for (const Case& one : cases) {
    Eager sink;
    ASSERT_TRUE(walk_timeseries(one.body, set, source, sink, nullptr).ok()) << one.body;
    EXPECT_EQ(sink.text(), one.expected) << one.body;
  }
}

}  // namespace
}  // namespace wearables
