// How history is asked for over a vendor's REST API, and what an answer says of the next page.
#pragma once

#include "core/base/clock.h"
#include "core/base/result.h"
#include "core/http/http.h"

#include <span>
#include <string>
#include <string_view>

namespace wearables {

// How a resource's path takes the range.
enum class RangeStyle {
  kInstants,  // from and to as they are
  kDates,     // calendar dates of UTC, both inclusive
  kWhole      // no range: all there is
};
// "instants", "dates", "none", as resources.rest_range holds it.
std::optional<RangeStyle> range_style_of(std::string_view name) noexcept;

// One page. Views into the caller's memory.
struct PullQuestion {
  std::string_view base_url;
  std::string_view path;  // of the resource; {user_id} stands for the vendor's id of the user
  RangeStyle range = RangeStyle::kInstants;
  std::string_view external_user_id;
  std::string_view provider;  // empty: all
  Micros from = kNoInstant;   // inclusive; both are instants unless range is kWhole
  Micros to = kNoInstant;     // exclusive
  std::string_view cursor;    // empty: the first page
};

// The stream of a document. Views into the caller's memory.
struct StreamQuestion {
  std::string_view base_url;
  std::string_view path;  // of the stream; {document_id} stands for the document's id
  std::string_view document_id;
};

struct PullApi {
  std::string_view key_header;  // the API key is its value
  // Names of the parameters.
  std::string_view from, to, provider, cursor;
  // Where an answer holds the next cursor, in the order of preference, and the texts that mean that there is none.
  std::span<const std::string_view> next_cursor;
  std::span<const std::string_view> no_cursor;
  // Where a refusal says why.
  std::span<const std::string_view> refusal;
};

// Longer ones are no cursor of a server that means well.
inline constexpr std::size_t kMaxCursor = 4096;

// kInvalidArgument for a base URL or a range that cannot be asked for.
Result<std::string> page_url(const PullApi& api, const PullQuestion& question);

// The cursor of the next page; empty: this is the last. kInvalidJson for a body that is not JSON, kUnexpectedShape
// where the cursor is neither text nor null, or longer than kMaxCursor.
Result<std::string> next_cursor(const PullApi& api, std::string_view body);

// kInvalidArgument for a base URL or a path that cannot be asked for.
Result<std::string> stream_url(const StreamQuestion& question);

// Whether a body may be a stream: kInvalidJson for one that is not JSON, kUnexpectedShape for what is neither an object
// nor null.
Result<Done> check_stream(std::string_view body);

// What the vendor says of a refused request, printable and cut; empty where the body does not say.
std::string refusal_of(const PullApi& api, std::string_view body);

}  // namespace wearables
