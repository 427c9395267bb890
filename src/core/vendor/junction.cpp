#include "core/vendor/junction.h"

#include "core/vendor/svix.h"

namespace wearables {
namespace {

// Of data and backfills only `created` and `updated` count: a `deleted`, should one ever be sent, must not be written
// as readings. `timeseries` is the older name of `data`.
constexpr EventPattern kEventTypes[] = {
    {"daily.data.{resource}.{created|updated}", EventFamily::kData},
    {"daily.timeseries.{resource}.{created|updated}", EventFamily::kData},
    {"historical.data.{resource}.{created|updated}", EventFamily::kBackfillDone},
    {"historical.timeseries.{resource}.{created|updated}", EventFamily::kBackfillDone},
    {"provider.connection.{action}", EventFamily::kConnection},
};

// The catalogue has the first two. The others can mean one thing only, and a connection that is gone must not be shown
// as one that stands. What can mean several ("updated", "paused") stays unknown, and shows as drift.
constexpr LifecycleWord kLifecycleActions[] = {
    {"created", Lifecycle::kConnected},         {"error", Lifecycle::kError},
    {"disconnected", Lifecycle::kDisconnected}, {"deleted", Lifecycle::kDisconnected},
    {"deregistered", Lifecycle::kDeregistered},
};

constexpr LifecycleWord kLifecycleErrors[] = {{"deregistered_per_provider", Lifecycle::kDeregistered}};

constexpr std::string_view kEventType[] = {"event_type", "type"};
constexpr std::string_view kUserId[] = {"user_id", "data.user_id"};
constexpr std::string_view kClientUserId[] = {"client_user_id"};

// The provider is an object with a slug, or a text; `source` is the older name.
constexpr std::string_view kConnectionProvider[] = {"data.provider.slug", "data.provider", "data.source.slug",
                                                    "data.source"};
constexpr std::string_view kConnectionUser[] = {"data.external_user_id"};
constexpr std::string_view kConnectionError[] = {"data.error_type"};

constexpr std::string_view kBackfillProvider[] = {"data.provider.slug", "data.provider"};
constexpr std::string_view kBackfillFrom[] = {"data.start_date"};
constexpr std::string_view kBackfillTo[] = {"data.end_date"};

constexpr std::string_view kStreamDocument[] = {"data.workout_id", "data.sleep_id"};
constexpr std::string_view kStreamProvider[] = {"data.source.provider", "data.source.slug"};
constexpr std::string_view kStreamSourceType[] = {"data.source.type"};

constexpr std::string_view kNextCursor[] = {"next_cursor"};
// The schema says null; an example of the documentation holds the text.
constexpr std::string_view kNoCursor[] = {"", "None"};
constexpr std::string_view kRefusal[] = {"detail", "detail.0.msg", "detail.msg", "message", "error"};

constexpr std::string_view kKeyHeader = "X-Vital-API-Key";

constexpr PullApi kPull{
    .key_header = kKeyHeader,
    .from = "start_date",
    .to = "end_date",
    .provider = "provider",
    .cursor = "next_cursor",
    .next_cursor = kNextCursor,
    .no_cursor = kNoCursor,
    .refusal = kRefusal,
};

constexpr std::string_view kCallRefusal[] = {"detail", "detail.error_message", "detail.0.msg", "detail.msg", "error",
                                             "message"};
constexpr std::string_view kCallSuccess[] = {"success"};
constexpr std::string_view kMadeUser[] = {"user_id"};
constexpr std::string_view kExistingUser[] = {"detail.user_id"};
constexpr std::string_view kLinkUrl[] = {"link_web_url"};
constexpr std::string_view kLinkToken[] = {"link_token"};

constexpr CallMember kUserMembers[] = {{"client_user_id", CallValue::kClientUserId}};
constexpr CallMember kLinkMembers[] = {{"user_id", CallValue::kExternalUserId},
                                       {"provider", CallValue::kProvider},
                                       {"redirect_url", CallValue::kRedirectUrl}};
constexpr CallMember kTriggerMembers[] = {{"user_ids", CallValue::kExternalUserIds},
                                          {"provider", CallValue::kProvider}};

constexpr CallMember kPullStateQuery[] = {{"user_id", CallValue::kExternalUserId}};

constexpr CallShape kCallShapes[] = {
    {.operation = CallOperation::kCreateUser,
     .method = "POST",
     .path = "/v2/user",
     .body = kUserMembers,
     .user_id = kMadeUser,
     .existing_user_id = kExistingUser},
    {.operation = CallOperation::kLinkToken,
     .method = "POST",
     .path = "/v2/link/token",
     .body = kLinkMembers,
     .link_url = kLinkUrl,
     .link_token = kLinkToken},
    {.operation = CallOperation::kDisconnectProvider,
     .method = "DELETE",
     .path = "/v2/user/{user_id}/{provider}",
     .body = {},
     .gone_is_done = true},
    {.operation = CallOperation::kDeleteUser,
     .method = "DELETE",
     .path = "/v2/user/{user_id}",
     .body = {},
     .gone_is_done = true},
    {.operation = CallOperation::kRefreshUser, .method = "POST", .path = "/v2/user/refresh/{user_id}", .body = {}},
    {.operation = CallOperation::kTriggerPull,
     .method = "POST",
     .path = "/v2/link/bulk_trigger_historical_pull",
     .body = kTriggerMembers},
    {.operation = CallOperation::kReadPullState,
     .method = "GET",
     .path = "/v2/introspect/historical_pull",
     .body = {},
     .query = kPullStateQuery,
     .holds_document = true},
};

// Its schema names the codes; whether they stand by themselves or in an object it does not say.
constexpr std::string_view kErrorCodes[] = {"error_type", "type", "code"};
constexpr std::string_view kErrorMessages[] = {"error_message", "message"};
constexpr std::string_view kRetriable[] = {"provider_rate_limit_exceeded", "provider_unavailable", "transport_failure",
                                           "resource_contention"};

constexpr CallApi kCalls{
    .key_header = kKeyHeader,
    .shapes = kCallShapes,
    .success = kCallSuccess,
    .refusal = kCallRefusal,
    .pull_state = {.providers = "$.data[*].provider",
                   .resources = "pulled",
                   .status = "status",
                   .failed = "failure",
                   .succeeded = "success",
                   .details = "error_details",
                   .codes = kErrorCodes,
                   .messages = kErrorMessages,
                   .retriable = kRetriable},
};

constexpr std::string_view kWallClockProviders[] = {"abbott_libreview", "freestyle_libre"};

}  // namespace

constexpr Vendor kJunction{
    .name = "junction",
    .signatures = &svix::kSignatures,
    .message_time_ms = svix::message_time_ms,
    .event_types = kEventTypes,
    .update_action = "updated",
    .lifecycle_actions = kLifecycleActions,
    .lifecycle_errors = kLifecycleErrors,
    .envelope = {kEventType, kUserId, kClientUserId},
    .connection = {kConnectionProvider, kConnectionUser, kConnectionError, "data.resource_availability", "status",
                   "unavailable"},
    .backfill = {kBackfillProvider, kBackfillFrom, kBackfillTo},
    .stream = {kStreamDocument, kStreamProvider, kStreamSourceType},
    .pull = &kPull,
    .calls = &kCalls,
    .wall_clock_providers = kWallClockProviders,
};

}  // namespace wearables
