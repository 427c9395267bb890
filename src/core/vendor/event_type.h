// What an event type promises about its body.
#pragma once

#include "core/base/pure.h"
#include "core/write/version.h"

#include <span>
#include <string>
#include <string_view>

namespace wearables {

struct Vendor;

enum class EventFamily {
  kData,          // readings of a resource
  kBackfillDone,  // a range of a resource whose history is ready; no readings
  kConnection,    // a user's link to a provider
  kPage,          // pulled.data.{resource}: a page of history fetched over REST by this extension
  kOther,         // anything else: stored, skipped visibly
};

// What a lifecycle event says of a connection.
enum class Lifecycle {
  kNothing,
  kConnected,     // the first time or again
  kDisconnected,  // ended; the person's consent at the provider may still stand
  kDeregistered,  // the registration at the provider is gone
  kError,         // the vendor gets nothing until the person connects again
};

// Views into the text that was given.
struct EventType {
  EventFamily family = EventFamily::kOther;
  std::string_view resource;                  // "heartrate"; for kConnection empty
  std::string_view action;                    // "created", "updated", "error"; may be empty
  Lifecycle lifecycle = Lifecycle::kNothing;  // kConnection only
  EventAge age = EventAge::kCreated;
};

// The words of an event type, between full stops: each as it is written, {resource} or {action}, or a choice of
// actions: {created|updated}.
struct EventPattern {
  std::string_view pattern;
  EventFamily family;
};

// An action of a lifecycle event, or an error type of one, that says something to us.
struct LifecycleWord {
  std::string_view word;
  Lifecycle lifecycle;
};

// By the first of the vendor's patterns that the whole text is of. Case counts; an empty word matches nothing.
EventType classify(const Vendor& vendor, std::string_view event_type) noexcept;

// What an error type makes of a kError: for most it stays one.
Lifecycle lifecycle_of_error(const Vendor& vendor, std::string_view error_type) noexcept;

// The name by which a row can know an event type that is about no resource: the type without its
// last word. It has a full stop, which no resource's name has, or `sleep.created` of another sender
// would be taken for our sleep: where none is left the whole type, or one put behind it.
std::string name_of_type(std::string_view event_type);

}  // namespace wearables
