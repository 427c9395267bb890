// Calls that change something at a vendor, or have it do something: what is asked, and what the answer says. How each
// looks on the wire is data of the vendor (CallShape); an answer is judged here.
#pragma once

#include "core/base/result.h"
#include "core/http/http.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wearables {

// Dotted member paths in a body, in the order of preference.
using MemberPaths = std::span<const std::string_view>;

enum class CallOperation {
  kCreateUser,
  kLinkToken,
  kDisconnectProvider,
  kDeleteUser,
  kRefreshUser,
  kTriggerPull,   // of history, again, for several users
  kReadPullState  // what has become of the vendor's own pulls for a user
};
// "create_vendor_user", ...: a value of wearables.call_operation, named by the function that asks for it.
std::optional<CallOperation> call_operation_of(std::string_view name) noexcept;

// What a call is about; what its operation does not take is empty.
struct CallQuestion {
  std::string_view base_url;
  std::string_view external_user_id, client_user_id, provider, redirect_url;
  std::vector<std::string_view> external_user_ids;
};

enum class CallValue { kClientUserId, kExternalUserId, kExternalUserIds, kProvider, kRedirectUrl };
struct CallMember {
  std::string_view name;
  CallValue value;  // left out where it is empty
};

struct CallShape {
  CallOperation operation;
  std::string_view method;
  std::string_view path;             // {user_id} and {provider} stand for the question's
  std::span<const CallMember> body;  // of a JSON object; empty: none is sent
  std::span<const CallMember> query = {};
  MemberPaths user_id = {};           // where the answer names the user it made
  MemberPaths existing_user_id = {};  // where a refusal names the user that is there already
  MemberPaths link_url = {};          // where the answer holds the link, and its token: both are secrets
  MemberPaths link_token = {};
  bool gone_is_done = false;    // 404: what was to be taken away is not there
  bool holds_document = false;  // the answer is read further: CallAnswer::document
};

// Where an answer of kReadPullState says what has become of the vendor's pulls: a jsonpath, and names of members.
struct PullStatePaths {
  std::string_view providers;  // jsonpath to objects whose members are called by providers
  std::string_view resources;  // of each of these: an object whose members are called by resources
  std::string_view status;     // of each of these, with the texts that mean that the pull was given up, or is done
  std::string_view failed, succeeded;
  std::string_view details;  // of each of these, why: a text, or an object with the next two
  std::span<const std::string_view> codes, messages;
  std::span<const std::string_view> retriable;  // codes of what may succeed another time
};

struct CallApi {
  std::string_view key_header;
  std::span<const CallShape> shapes;
  MemberPaths success;  // where an answer of 2xx says false all the same
  MemberPaths refusal;  // where an answer says why
  PullStatePaths pull_state;
};

// Null where the vendor has no such call.
const CallShape* find_shape(const CallApi& api, CallOperation operation) noexcept;

// URL, method and body; the API key is the caller's to add. kInvalidArgument for a base URL that check_base_url()
// refuses, and where a value of the path is empty, "." or "..", which would be another path.
Result<Done> write_call(const CallShape& shape, const CallQuestion& question, HttpRequest* request);

enum class CallEnd {
  kDone,
  kKeyRefused,
  kOverloaded,  // as Reply
  kTransient,
  kUnreadable,  // it holds not what it should: a server in trouble, or something before it
  kRefused
};

struct CallAnswer {
  CallEnd end = CallEnd::kUnreadable;
  std::string external_user_id;  // of kCreateUser, where it is done
  std::string link_url;          // of kLinkToken, where it is done: secrets, overwritten by the destructor
  std::string link_token;
  std::string result;    // the answer as JSON that jsonb takes; empty where it holds a secret or is too long
  std::string words;     // why it is not done, printable and cut; may be empty
  std::string document;  // where the shape holds one and it is done: all of the answer, as JSON that jsonb takes

  CallAnswer() = default;
  CallAnswer(CallAnswer&&) = default;
  CallAnswer& operator=(CallAnswer&&) = default;
  CallAnswer(const CallAnswer&) = delete;  // a copy would be one more place that holds the secret
  CallAnswer& operator=(const CallAnswer&) = delete;
  ~CallAnswer();
};

inline constexpr std::size_t kMaxCallResult = std::size_t{16} * 1024;  // bytes
inline constexpr std::size_t kMaxCallDocument = std::size_t{4} * 1024 * 1024;
inline constexpr std::size_t kMaxCallLink = 4096;  // bytes

CallAnswer read_call_answer(const CallApi& api, const CallShape& shape, int status, std::string_view body);

}  // namespace wearables
