#include "core/vendor/call_api.h"

#include "core/base/bytes.h"
#include "core/base/text.h"
#include "core/json/storable_json.h"
#include "core/vendor/envelope.h"
#include "core/vendor/first_value.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace wearables {
namespace {

constexpr std::size_t kMaxWords = 200;
constexpr int kLeastRefusal = 400;
constexpr int kNotFound = 404;

struct NamedOperation {
  std::string_view name;
  CallOperation operation;
};
constexpr NamedOperation kOperations[] = {
    {"create_vendor_user", CallOperation::kCreateUser},
    {"link_url", CallOperation::kLinkToken},
    {"disconnect_provider", CallOperation::kDisconnectProvider},
    {"delete_vendor_user", CallOperation::kDeleteUser},
    {"refresh_user", CallOperation::kRefreshUser},
    {"trigger_historical_pull", CallOperation::kTriggerPull},
    {"read_pull_state", CallOperation::kReadPullState},
};

// --- What is asked

void append_json_text(std::string& json, std::string_view text) {
  json += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      (json += '\\') += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> escape;
      std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(c));
      json += escape.data();
    } else {
      json += c;
    }
  }
  json += '"';
}

std::string_view text_of_value(const CallQuestion& question, CallValue value) {
  switch (value) {
    case CallValue::kClientUserId:
      return question.client_user_id;
    case CallValue::kExternalUserId:
      return question.external_user_id;
    case CallValue::kProvider:
      return question.provider;
    case CallValue::kRedirectUrl:
      return question.redirect_url;
    case CallValue::kExternalUserIds:
      break;
  }
  return {};
}

void append_list(std::string& json, const std::vector<std::string_view>& texts) {
  json += '[';
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) json += ',';
    append_json_text(json, texts[i]);
  }
  json += ']';
}

std::string body_of(const CallShape& shape, const CallQuestion& question) {
  if (shape.body.empty()) return {};
  std::string json;
  for (const auto& [name, value] : shape.body) {
    const std::string_view text = text_of_value(question, value);
    if (value != CallValue::kExternalUserIds && text.empty()) continue;
    json += json.empty() ? '{' : ',';
    append_json_text(json, name);
    json += ':';
    if (value == CallValue::kExternalUserIds) {
      append_list(json, question.external_user_ids);
    } else {
      append_json_text(json, text);
    }
  }
  return json.empty() ? "{}" : json + "}";
}

// False for a value that would lead to another path.
bool fill_placeholder(std::string& path, std::string_view placeholder, std::string_view value) {
  const std::size_t place = path.find(placeholder);
  if (place == std::string::npos) return true;
  if (value.empty() || value == "." || value == "..") return false;
  path.replace(place, placeholder.size(), escape_segment(value));
  return true;
}

// --- What the answer says

// Empty where there is none that a column holds.
std::string text_at(std::string_view body, MemberPaths paths, std::size_t max) {
  if (paths.empty()) return {};
  const auto found = first_value(body, paths, Wanted::kTexts);
  return found.ok() && is_printable(found.value().text, max) ? found.value().text : std::string();
}

bool says_no(const CallApi& api, std::string_view body) {
  const auto found = first_value(body, api.success, Wanted::kAnyKind);
  return found.ok() && found.value().kind == Kind::kBool && found.value().number == 0;
}

// Of 204 there is no body.
bool is_object(std::string_view body) {
  static constexpr std::string_view kNowhere[] = {"nowhere"};
  return !body.empty() && first_value(body, kNowhere, Wanted::kAnyKind).ok();
}

std::string words_of(const CallApi& api, std::string_view body) {
  const auto found = first_value(body, api.refusal, Wanted::kTexts);
  return found.ok() ? printable(found.value().text, kMaxWords) : std::string();
}

CallEnd end_of_good(const CallApi& api, const CallShape& shape, std::string_view body, CallAnswer& answer) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const bool is_empty = body.find_first_not_of(kBlanks) == std::string_view::npos;
  if (!is_empty && !is_object(body)) return CallEnd::kUnreadable;
  if (!is_empty && says_no(api, body)) return CallEnd::kRefused;
  answer.external_user_id = text_at(body, shape.user_id, kMaxNamedText);
  answer.link_url = text_at(body, shape.link_url, kMaxCallLink);
  answer.link_token = text_at(body, shape.link_token, kMaxCallLink);
  if (shape.holds_document) {
    if (is_empty || body.size() > kMaxCallDocument) return CallEnd::kUnreadable;
    answer.document = storable_json(body);
  }
  const bool lacks_user = !shape.user_id.empty() && answer.external_user_id.empty();
  const bool lacks_link = !shape.link_url.empty() && answer.link_url.empty() && answer.link_token.empty();
  return lacks_user || lacks_link ? CallEnd::kUnreadable : CallEnd::kDone;
}

CallEnd end_of(const CallApi& api, const CallShape& shape, int status, std::string_view body, CallAnswer& answer) {
  switch (reply_of(status)) {
    case Reply::kGood:
      return end_of_good(api, shape, body, answer);
    case Reply::kKeyRefused:
      return CallEnd::kKeyRefused;
    case Reply::kOverloaded:
      return CallEnd::kOverloaded;
    case Reply::kTransient:
    case Reply::kRefused:
      break;
  }
  answer.external_user_id = text_at(body, shape.existing_user_id, kMaxNamedText);
  if (!answer.external_user_id.empty()) return CallEnd::kDone;
  // a refusal that is none of the vendor's words may be that of something before it
  if (status >= kLeastRefusal && !is_object(body)) return CallEnd::kUnreadable;
  if (shape.gone_is_done && status == kNotFound) return CallEnd::kDone;
  return reply_of(status) == Reply::kTransient ? CallEnd::kTransient : CallEnd::kRefused;
}

}  // namespace

CallAnswer::~CallAnswer() {
  wipe(link_url);
  wipe(link_token);
}

std::optional<CallOperation> call_operation_of(std::string_view name) noexcept {
  for (const auto& [known, operation] : kOperations) {
    if (known == name) return operation;
  }
  return {};
}

const CallShape* find_shape(const CallApi& api, CallOperation operation) noexcept {
  const auto place = std::find_if(api.shapes.begin(), api.shapes.end(),
                                  [&](const CallShape& shape) { return shape.operation == operation; });
  return place == api.shapes.end() ? nullptr : &*place;
}

Result<Done> write_call(const CallShape& shape, const CallQuestion& question, HttpRequest* request) {
  std::string path(shape.path);
  if (!fill_placeholder(path, "{user_id}", question.external_user_id) ||
      !fill_placeholder(path, "{provider}", question.provider)) {
    return Error{Code::kInvalidArgument, "the vendor's user or the provider is empty, or no segment of a path"};
  }
  HttpParameters parameters;
  for (const auto& [name, value] : shape.query) parameters.emplace_back(name, text_of_value(question, value));
  auto url = make_url(question.base_url, path, parameters);
  if (!url.ok()) return url.error();
  request->url = std::move(url).value();
  request->method = shape.method;
  request->body = body_of(shape, question);
  if (!request->body.empty()) request->headers.push_back({"Content-Type", "application/json"});
  return Done{};
}

CallAnswer read_call_answer(const CallApi& api, const CallShape& shape, int status, std::string_view body) {
  CallAnswer answer;
  answer.end = end_of(api, shape, status, body, answer);
  const bool holds_secret = !shape.link_url.empty() && reply_of(status) == Reply::kGood;
  if (answer.end != CallEnd::kDone && !holds_secret) answer.words = words_of(api, body);
  const bool kept = !holds_secret && !shape.holds_document && body.size() <= kMaxCallResult && is_object(body);
  if (kept) answer.result = storable_json(body);
  return answer;
}

}  // namespace wearables
