// What an event type promises about its body. Source: Junction's event catalogue (194 types).
#pragma once

#include "core/base/pure.h"

#include <string>
#include <string_view>

namespace wearables {

enum class EventFamily {
  kData,          // daily.data.{resource}.created|updated: readings
  kBackfillDone,  // historical.data.{resource}.created: a range notice without readings
  kConnection,    // provider.connection.{created|error|...}
  kPage,          // pull.{resource}: a page of history fetched over REST by this extension
  kOther,         // anything else: stored, skipped visibly
};

// Views into the text that was given.
struct EventType {
  EventFamily family = EventFamily::kOther;
  std::string_view resource;  // "heartrate"; for kConnection empty
  std::string_view action;    // "created", "updated", "error"; may be empty
};

// Also reads daily.timeseries.{resource}.* and historical.timeseries.{resource}.* (older names).
// Of data and backfills only `created` and `updated` count: a `deleted`, should the vendor ever
// send one, must not be written as readings. Case counts; an empty or further segment makes it
// kOther.
EventType classify(std::string_view event_type) noexcept;

// The name by which a row can know an event type that is about no resource: the type without its
// last word. It has a full stop, which no resource's name has, or `sleep.created` of another sender
// would be taken for our sleep: where none is left the whole type, or one put behind it.
std::string name_of_type(std::string_view event_type);

}  // namespace wearables
