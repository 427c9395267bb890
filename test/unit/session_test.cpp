#include "core/write/session.h"

#include <gtest/gtest.h>

#include <random>

namespace wearables {
namespace {

std::vector<char> judged(const std::vector<SessionAt>& sessions) { return find_superseded(sessions); }

TEST(FindSuperseded, ContainedInANewerOne) {
  EXPECT_EQ(judged({}), (std::vector<char>{}));
  EXPECT_EQ(judged({{1, 10, 20}}), (std::vector<char>{0}));
  EXPECT_EQ(judged({{1, 10, 20}, {1, 10, 20}}), (std::vector<char>{0, 1}));  // equal: the newer one stands
  EXPECT_EQ(judged({{1, 10, 20}, {1, 12, 20}}), (std::vector<char>{0, 1}));
  EXPECT_EQ(judged({{1, 12, 20}, {1, 10, 20}}), (std::vector<char>{0, 0}));  // contained in an older one
  EXPECT_EQ(judged({{1, 10, 20}, {1, 15, 21}}), (std::vector<char>{0, 0}));  // overlaps
  EXPECT_EQ(judged({{1, 10, 20}, {2, 12, 18}}), (std::vector<char>{0, 0}));  // of another source
  EXPECT_EQ(judged({{1, -5, 20}, {1, -1, 0}}), (std::vector<char>{0, 1}));   // before 1970
}

TEST(FindSuperseded, AgreesWithTheRuleAsItIsWritten) {
  std::mt19937 random(4711);
  for (int round = 0; round < 2000; ++round) {
    std::vector<SessionAt> sessions(random() % 40);
    for (SessionAt& session : sessions) {
      session.source = random() % 3;
      session.start = static_cast<Micros>(random() % 30) - 10;
      session.end = session.start + static_cast<Micros>(random() % 12);
    }
    std::vector<char> expected;
    for (std::size_t i = 0; i < sessions.size(); ++i) {
      char superseded = 0;
      for (std::size_t n = 0; n < i; ++n) {
        const bool contains = sessions[n].start <= sessions[i].start && sessions[n].end >= sessions[i].end;
        if (sessions[n].source == sessions[i].source && contains) superseded = 1;
      }
      expected.push_back(superseded);
    }
    ASSERT_EQ(judged(sessions), expected) << "round " << round;
  }
}

}  // namespace
}  // namespace wearables
