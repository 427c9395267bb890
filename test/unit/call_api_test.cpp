#include "core/vendor/call_api.h"
#include "core/vendor/junction.h"

#include <gtest/gtest.h>

namespace wearables {
namespace {

const CallApi& api() { return *kJunction.calls; }
const CallShape& shape(CallOperation operation) { return *find_shape(api(), operation); }

CallQuestion question() {
  return {.base_url = "https://api.eu.junction.com",
          .external_user_id = "u-1",
          .client_user_id = "ann",
          .provider = "oura",
          .redirect_url = "",
          .external_user_ids = {"u-1", "u-2"}};
}

// "METHOD path body", or the error.
std::string written(CallOperation operation, const CallQuestion& asked) {
  HttpRequest request;
  const auto done = write_call(shape(operation), asked, &request);
  if (!done.ok()) return done.error().message;
  EXPECT_EQ(request.headers.empty(), request.body.empty());
  return request.method + " " + request.url.substr(asked.base_url.size()) + " " + request.body;
}

TEST(WriteCall, EachOperation) {
  EXPECT_EQ(written(CallOperation::kCreateUser, question()), R"(POST /v2/user {"client_user_id":"ann"})");
  EXPECT_EQ(written(CallOperation::kLinkToken, question()),
            R"(POST /v2/link/token {"user_id":"u-1","provider":"oura"})");
  EXPECT_EQ(written(CallOperation::kDisconnectProvider, question()), "DELETE /v2/user/u-1/oura ");
  EXPECT_EQ(written(CallOperation::kDeleteUser, question()), "DELETE /v2/user/u-1 ");
  EXPECT_EQ(written(CallOperation::kRefreshUser, question()), "POST /v2/user/refresh/u-1 ");
  EXPECT_EQ(written(CallOperation::kTriggerPull, question()),
            R"(POST /v2/link/bulk_trigger_historical_pull {"user_ids":["u-1","u-2"],"provider":"oura"})");
  EXPECT_EQ(written(CallOperation::kReadPullState, question()), "GET /v2/introspect/historical_pull?user_id=u-1 ");
}

TEST(WriteCall, WhatIsLeftOut) {
  CallQuestion asked = question();
  asked.provider = "";
  EXPECT_EQ(written(CallOperation::kLinkToken, asked), R"(POST /v2/link/token {"user_id":"u-1"})");
  asked.redirect_url = "https://app.example/done?a=1";
  EXPECT_EQ(written(CallOperation::kLinkToken, asked),
            R"(POST /v2/link/token {"user_id":"u-1","redirect_url":"https://app.example/done?a=1"})");
}

TEST(WriteCall, TextsAreTextsAndSegmentsSegments) {
  CallQuestion asked = question();
  asked.client_user_id = "a\"b\\c\n\x01\xc3\xa4";
  EXPECT_EQ(written(CallOperation::kCreateUser, asked),
            "POST /v2/user {\"client_user_id\":\"a\\\"b\\\\c\\u000a\\u0001\xc3\xa4\"}");
  asked.external_user_id = "u/../1?x=#";
  EXPECT_EQ(written(CallOperation::kDeleteUser, asked).find("DELETE /v2/user/u%2"), 0U);
  for (const std::string_view way_out : {"", ".", ".."}) {
    asked.external_user_id = way_out;
    EXPECT_NE(written(CallOperation::kDeleteUser, asked).find("no segment"), std::string::npos) << way_out;
  }
  asked.base_url = "http://api.eu.junction.com";
  EXPECT_NE(written(CallOperation::kCreateUser, asked).find("https"), std::string::npos);
}

TEST(WriteCall, NamesOfOperations) {
  EXPECT_EQ(call_operation_of("create_vendor_user"), CallOperation::kCreateUser);
  EXPECT_EQ(call_operation_of("trigger_historical_pull"), CallOperation::kTriggerPull);
  EXPECT_EQ(call_operation_of("drop_table"), std::nullopt);
}

CallAnswer answered(CallOperation operation, int status, std::string_view body) {
  return read_call_answer(api(), shape(operation), status, body);
}

TEST(ReadCallAnswer, AUserIsMadeOrThereAlready) {
  const auto made = answered(CallOperation::kCreateUser, 200, R"({"user_id":"u-1","client_user_id":"ann"})");
  EXPECT_EQ(made.end, CallEnd::kDone);
  EXPECT_EQ(made.external_user_id, "u-1");
  EXPECT_EQ(made.result, R"({"user_id":"u-1","client_user_id":"ann"})");
  for (const int status : {400, 409}) {
    const auto there =
        answered(CallOperation::kCreateUser, status,
                 R"({"detail":{"error_type":"INVALID_REQUEST","error_message":"exists","user_id":"u-7"}})");
    EXPECT_EQ(there.end, CallEnd::kDone) << status;
    EXPECT_EQ(there.external_user_id, "u-7");
  }
  const auto refused = answered(CallOperation::kCreateUser, 400, R"({"detail":{"error_message":"no such team"}})");
  EXPECT_EQ(refused.end, CallEnd::kRefused);
  EXPECT_EQ(refused.words, "no such team");
}

TEST(ReadCallAnswer, AnAnswerThatLacksWhatItShouldHold) {
  for (const std::string_view body : {"", "{}", "[]", "<html>", R"({"user_id":7})", R"({"user_id":"a\u0000b"})",
                                      R"({"user_id":""})", R"({"user_id":"u-1")"}) {
    EXPECT_EQ(answered(CallOperation::kCreateUser, 200, body).end, CallEnd::kUnreadable) << body;
  }
  EXPECT_EQ(answered(CallOperation::kLinkToken, 200, R"({"link_token":null})").end, CallEnd::kUnreadable);
  for (const int status : {400, 404, 409}) {
    EXPECT_EQ(answered(CallOperation::kDeleteUser, status, "<html>404</html>").end, CallEnd::kUnreadable)
        << "a proxy has not deleted anybody";
    EXPECT_EQ(answered(CallOperation::kCreateUser, status, "").end, CallEnd::kUnreadable);
  }
  EXPECT_EQ(answered(CallOperation::kDeleteUser, 200, R"({"success":)").end, CallEnd::kUnreadable);
}

TEST(ReadCallAnswer, ALinkIsASecret) {
  const std::string_view body = R"({"link_token":"t0ken","link_web_url":"https://link.example/?token=t0ken"})";
  const auto link = answered(CallOperation::kLinkToken, 200, body);
  EXPECT_EQ(link.end, CallEnd::kDone);
  EXPECT_EQ(link.link_url, "https://link.example/?token=t0ken");
  EXPECT_EQ(link.link_token, "t0ken");
  EXPECT_EQ(link.result, "") << "which is kept for longer";
  const auto odd = answered(CallOperation::kLinkToken, 200, R"({"success":false,"detail":"t0ken"})");
  EXPECT_EQ(odd.end, CallEnd::kRefused);
  EXPECT_EQ(odd.words + odd.result, "");
}

TEST(ReadCallAnswer, WhatIsGoneIsTakenAway) {
  for (const CallOperation operation : {CallOperation::kDeleteUser, CallOperation::kDisconnectProvider}) {
    EXPECT_EQ(answered(operation, 200, R"({"success":true})").end, CallEnd::kDone);
    EXPECT_EQ(answered(operation, 204, "").end, CallEnd::kDone);
    EXPECT_EQ(answered(operation, 404, R"({"detail":"User not found"})").end, CallEnd::kDone);
    EXPECT_EQ(answered(operation, 200, R"({"success":false,"error":"later"})").words, "later");
  }
  EXPECT_EQ(answered(CallOperation::kRefreshUser, 404, R"({"detail":"User not found"})").end, CallEnd::kRefused);
}

TEST(ReadCallAnswer, ByStatus) {
  const std::string_view body = R"({"detail":[{"msg":"Field required\n"}]})";
  EXPECT_EQ(answered(CallOperation::kRefreshUser, 401, body).end, CallEnd::kKeyRefused);
  EXPECT_EQ(answered(CallOperation::kRefreshUser, 403, body).end, CallEnd::kKeyRefused);
  EXPECT_EQ(answered(CallOperation::kRefreshUser, 429, body).end, CallEnd::kOverloaded);
  EXPECT_EQ(answered(CallOperation::kRefreshUser, 503, body).end, CallEnd::kOverloaded);
  EXPECT_EQ(answered(CallOperation::kRefreshUser, 408, body).end, CallEnd::kTransient);
  EXPECT_EQ(answered(CallOperation::kRefreshUser, 302, body).end, CallEnd::kRefused);
  const auto refused = answered(CallOperation::kRefreshUser, 422, body);
  EXPECT_EQ(refused.end, CallEnd::kRefused);
  EXPECT_EQ(refused.words, "Field required?");
  EXPECT_EQ(refused.result, body);
}

TEST(ReadCallAnswer, ADocumentIsNoResult) {
  const std::string_view body = R"({"data":[{"user_id":"u-1","provider":{}}],"next_cursor":null})";
  const auto state = answered(CallOperation::kReadPullState, 200, body);
  EXPECT_EQ(state.end, CallEnd::kDone);
  EXPECT_EQ(state.document, body);
  EXPECT_EQ(state.result, "");
  EXPECT_EQ(answered(CallOperation::kReadPullState, 204, "").end, CallEnd::kUnreadable);
  EXPECT_EQ(answered(CallOperation::kReadPullState, 200, "[").end, CallEnd::kUnreadable);
  const std::string much = R"({"data":")" + std::string(kMaxCallDocument, 'x') + R"("})";
  EXPECT_EQ(answered(CallOperation::kReadPullState, 200, much).end, CallEnd::kUnreadable);
  EXPECT_EQ(answered(CallOperation::kRefreshUser, 200, "{}").document, "");
}

TEST(ReadCallAnswer, AResultIsBounded) {
  const std::string much = R"({"success":true,"refreshed_sources":[")" + std::string(kMaxCallResult, 'x') + R"("]})";
  const auto done = answered(CallOperation::kRefreshUser, 200, much);
  EXPECT_EQ(done.end, CallEnd::kDone);
  EXPECT_EQ(done.result, "");
}

}  // namespace
}  // namespace wearables
