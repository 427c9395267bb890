// JSON on its way into jsonb.
#pragma once

#include "core/base/pure.h"

#include <string>
#include <string_view>

namespace wearables {

// `text` (a JSON value cut from a body) with what jsonb refuses replaced: \u0000 and lone surrogates
// become \ufffd; numbers beyond any double, bare words and what is nested deeper than kMaxDepth
// become null; and without_far_items().
std::string storable_json(std::string_view text);

}  // namespace wearables
