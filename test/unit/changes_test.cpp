#include "core/live/changes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

namespace wearables {
namespace {

UserChange change(std::int64_t user, std::int16_t metric, Micros at) {
  UserChange result{user, {}, 0, {}, kNoLevel, 0};
  result.range.add(at);
  result.add_metric(metric);
  return result;
}

std::unique_ptr<ChangeList> new_list() { return std::make_unique<ChangeList>(); }

std::vector<std::int64_t> users_of(const ChangeList& list) {
  std::vector<std::int64_t> users;
  for (int i = 0; i < list.count(); ++i) users.push_back(list[i].user_id);
  return users;
}

TEST(UserChange, HoldsWhatIsReadOtherwiseThanBefore) {
  Touched touched;
  const auto row = [](std::int16_t metric, Micros ts) {
    return Row{1,      ts, kNoInstant, 60,       std::numeric_limits<double>::quiet_NaN(), kNone, 0,
               metric, 1,  kWholePart, kNoOffset};
  };
  touched.offer(7, row(1, 30), Verdict::kInsert);
  touched.offer(7, row(1, 10), Verdict::kUnchanged);
  touched.offer(7, row(2, 5), Verdict::kConfirm);
  touched.remove(7, row(3, 20));
  const UserChange made = change_of(7, touched);
  EXPECT_EQ(made.user_id, 7);
  EXPECT_EQ(made.range, (InstantRange{20, 30}));
  ASSERT_EQ(made.metric_count, 2);
  EXPECT_EQ(made.metrics[0], 1);
  EXPECT_EQ(made.metrics[1], 3);
  EXPECT_EQ(change_of(7, Touched()).metric_count, 0);
}

TEST(UserChange, ListsNoMetricOfTooMany) {
  UserChange one = change(1, 1, 5);
  for (std::int16_t metric = 1; metric <= kMaxChangedMetrics; ++metric) one.add_metric(metric);
  EXPECT_EQ(one.metric_count, kMaxChangedMetrics);
  one.add_metric(kMaxChangedMetrics + 1);
  EXPECT_EQ(one.metric_count, UserChange::kAnyMetric);
  one.add(change(1, 2, 9));
  EXPECT_EQ(one.metric_count, UserChange::kAnyMetric);
  EXPECT_EQ(one.range, (InstantRange{5, 9}));
  UserChange other = change(1, 1, 5);
  other.add(whole_change_of(1));
  EXPECT_EQ(other.metric_count, UserChange::kAnyMetric);
  EXPECT_EQ(other.range, kAllTime);
}

TEST(ChangeList, MergesByUserAndKeepsTheirOrder) {
  const auto list = new_list();
  EXPECT_TRUE(list->empty());
  list->add(change(2, 1, 10), kOutermostLevel);
  list->add(change(1, 1, 10), kOutermostLevel);
  list->add(change(2, 3, 4), kOutermostLevel);
  EXPECT_EQ(users_of(*list), (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ((*list)[0].range, (InstantRange{4, 10}));
  EXPECT_EQ((*list)[0].metric_count, 2);
  list->clear();
  EXPECT_TRUE(list->empty());
}

TEST(ChangeList, ForgetsWhatAborts) {
  const auto list = new_list();
  list->add(change(1, 1, 10), 1);
  list->add(change(1, 2, 20), 4);
  list->add(change(2, 2, 20), 6);
  list->hand_up(6, 4);
  list->forget(4);
  ASSERT_EQ(users_of(*list), (std::vector<std::int64_t>{1}));
  EXPECT_EQ((*list)[0].range, (InstantRange{10, 10}));
}

TEST(ChangeList, HandsUpWhatCommits) {
  const auto list = new_list();
  list->add(change(1, 1, 10), 1);
  list->add(change(2, 2, 20), 4);
  list->add(change(1, 2, 30), 4);
  list->add(change(3, 2, 30), 4);
  list->hand_up(4, 1);
  EXPECT_EQ(users_of(*list), (std::vector<std::int64_t>{1, 2, 3}));
  EXPECT_EQ((*list)[0].range, (InstantRange{10, 30}));
}

TEST(ChangeList, TellsOfAnyUserWhereThereAreTooMany) {
  const auto list = new_list();
  list->add(change(0, 1, 10), 1);
  for (int user = 1; user < kMaxChangedUsers; ++user) list->add(change(user, 1, 10), 5);
  EXPECT_FALSE(list->any_user());
  list->add(change(3, 2, 10), 5);
  EXPECT_FALSE(list->any_user()) << "it has a place";
  list->add(change(-1, 1, 10), 5);
  EXPECT_TRUE(list->any_user());
  EXPECT_EQ(list->count(), 1) << "what the outer transaction changed stays";
  list->add(change(-2, 1, 10), 7);
  list->forget(5);
  EXPECT_FALSE(list->any_user());
  EXPECT_EQ(users_of(*list), (std::vector<std::int64_t>{0}));
  list->add_any_user(9);
  list->hand_up(9, 1);
  EXPECT_TRUE(list->any_user());
  EXPECT_EQ(list->count(), 0);
}

TEST(ChangeList, RemovesAnEntryUnlessItHasChangedSince) {
  const auto list = new_list();
  list->add(change(1, 1, 10), 1);
  list->add(change(2, 1, 10), 1);
  const UserChange first = (*list)[0];
  const UserChange second = (*list)[1];
  list->add(change(1, 1, 10), 1);
  list->remove(first);
  list->remove(second);
  EXPECT_EQ(users_of(*list), (std::vector<std::int64_t>{1})) << "equal, but told of once more";
}

}  // namespace
}  // namespace wearables
