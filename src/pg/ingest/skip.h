// Why there is nothing for us in an event, as its type, its body and the mappings of the moment say.
#pragma once

#include "core/parse/mapping.h"
#include "core/vendor/event_type.h"

#include <string_view>

#include "pg/store/event.h"

namespace wearables::pg {

struct Skip {
  const char* reason;        // null: there may be something for us in the event
  std::string_view unknown;  // the name that a row would need to know it, when there is none
};

// Before anybody asks whose it is: what holds nothing for us is not parked. `kind` is that of the resource, where the
// type names one that is known. Within SPI; texts live in the current context.
Skip why_skip(const Event& event, const EventType& type, ResourceKind* kind);

}  // namespace wearables::pg
