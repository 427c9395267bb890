#include "core/write/document.h"
#include "core/write/version.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace wearables {
namespace {

constexpr std::int64_t kEventVersion = std::int64_t{1000} << kVersionLowBits | 7;

Document document(std::string id, Micros updated_at = kNoInstant) {
  return {id, {}, part_of(id), 0, kNoSessionSource, false, updated_at, 0, 0};
}

Row row(std::uint32_t of_document, Micros ts, double value = 60, std::uint32_t ordinal = 0) {
  return {0, ts, kNoInstant, value,    std::numeric_limits<double>::quiet_NaN(), of_document, ordinal,
          1, 1,  kWholePart, kNoOffset};
}

std::vector<std::pair<Micros, double>> readings(const std::vector<Row>& rows) {
  std::vector<std::pair<Micros, double>> result;
  for (const Row& one : rows) result.emplace_back(one.ts, one.value);
  return result;
}

TEST(OriginOfDocument, IsThatOfItsEventUnlessItBringsItsOwn) {
  EXPECT_EQ(origin_ms_of(document("a"), kEventVersion), 1000);
  EXPECT_EQ(origin_ms_of(document("a", 5'000'999), kEventVersion), 5000);
  EXPECT_EQ(origin_ms_of(document("a", 5'999), kEventVersion), 5);
}

// A clock that is years ahead would keep every later state of the document away.
TEST(OriginOfDocument, MoreThanADayAfterItsEventDoesNotCount) {
  EXPECT_EQ(origin_ms_of(document("a", 1'000'000 + kMicrosPerDay), kEventVersion), 1000 + 86'400'000);
  EXPECT_EQ(origin_ms_of(document("a", 1'001'000 + kMicrosPerDay), kEventVersion), 1000);
}

// b stood before c under the older rule, which went by the id.
TEST(OrderDocuments, GoesByOriginThenPlace) {
  Batch batch;
  batch.documents = {document("c", 9'000'000), document("b"), document("d", 9'000'000), document("a")};
  std::vector<Row> rows;
  DocumentSet documents;
  EXPECT_EQ(order_documents(batch, kEventVersion, rows, documents).value(), 0U);
  EXPECT_EQ(documents.order, (std::vector<std::uint32_t>{1, 3, 0, 2}));
}

// 8 of 20 nights kept the older of two states with one updated_at.
TEST(OrderDocuments, OfOneIdentityAndOriginTheLaterPlaceStands) {
  Batch batch;
  batch.documents = {document("z", 9'000'000), document("a", 9'000'000)};
  batch.documents[0].instead_of_id = batch.documents[1].instead_of_id = "fitbit/watch/2026-05-04";
  std::vector<Row> rows = {row(0, 10), row(1, 20)};
  DocumentSet documents;
  EXPECT_EQ(order_documents(batch, kEventVersion, rows, documents).value(), 1U);
  EXPECT_EQ(documents.order, (std::vector<std::uint32_t>{1}));
}

TEST(OrderDocuments, OfOneIdTheNewestStandsAndTheRowsOfTheOtherAreOvertaken) {
  Batch batch;
  batch.documents = {document("a", 9'000'000), document("a", 8'000'000), document("b")};
  std::vector<Row> rows = {row(0, 10), row(1, 10), row(1, 20), row(2, 30)};
  DocumentSet documents;
  EXPECT_EQ(order_documents(batch, kEventVersion, rows, documents).value(), 2U);
  EXPECT_EQ(documents.order, (std::vector<std::uint32_t>{2, 0}));
  EXPECT_EQ(documents.rows_of_standing(), 2U);
}

TEST(OrderDocuments, SettlesTheRowsOfEachWhereTheyStand) {
  Batch batch;
  batch.documents = {document("a"), document("none"), document("b")};
  std::vector<Row> rows = {row(0, 20, 1, 0), row(0, 10, 2, 1), row(0, 20, 3, 2), row(2, 5, 4, 3)};
  DocumentSet documents;
  EXPECT_EQ(order_documents(batch, kEventVersion, rows, documents).value(), 1U);
  EXPECT_EQ(documents.first, (std::vector<std::size_t>{0, 3, 3}));
  EXPECT_EQ(documents.count, (std::vector<std::size_t>{2, 0, 1}));
  EXPECT_EQ(rows[0].value, 2);
  EXPECT_EQ(rows[1].value, 3);
  EXPECT_EQ(rows[0].version, version_of_document(1000, "a"));
}

TEST(KeepLiveRows, DropsThoseOfDocumentsThatAreNotLive) {
  Batch batch;
  batch.documents = {document("a"), document("b")};
  std::vector<Row> rows = {row(0, 10, 1), row(0, 20, 2), row(1, 30, 3)};
  DocumentSet documents;
  ASSERT_EQ(order_documents(batch, kEventVersion, rows, documents).value(), 0U);
  const bool live[] = {false, true};
  EXPECT_EQ(keep_live_rows(documents, live, rows).value(), 2U);
  EXPECT_EQ(readings(rows), (std::vector<std::pair<Micros, double>>{{30, 3}}));
}

// Two identities of one hash: the rarest of collisions.
TEST(KeepLiveRows, TheNewerDocumentWinsAKeyThatTwoClaim) {
  Batch batch;
  batch.documents = {document("z", 9'000'000), document("a")};
  std::vector<Row> rows = {row(0, 10, 1, 0), row(1, 10, 2, 1)};
  DocumentSet documents;
  ASSERT_EQ(order_documents(batch, kEventVersion, rows, documents).value(), 0U);
  const bool live[] = {true, true};
  EXPECT_EQ(keep_live_rows(documents, live, rows).value(), 1U);
  EXPECT_EQ(readings(rows), (std::vector<std::pair<Micros, double>>{{10, 1}}));
}

}  // namespace
}  // namespace wearables
