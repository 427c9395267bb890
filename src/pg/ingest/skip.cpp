// Reads the plan of the event's revision, and of the body what says its type; writes nothing and takes no lock.
#include "core/base/text.h"
#include "core/json/json.h"
#include "core/vendor/envelope.h"

#include <string>

#include "pg/ingest/skip.h"
#include "pg/people/user.h"
#include "pg/parse/mapping.h"
#include "pg/server/boundary.h"

namespace wearables::pg {

namespace {

// What is counted as drift of bodies that do not say what, or whose, they are: names that a row can have.
constexpr std::string_view kNoType = "(no event type)";
constexpr std::string_view kNoUser = "(no user)";

// A stranger's text as a note may hold it, in the current context.
const char* shown(std::string_view text) {
  constexpr size_t kMostShown = 200;
  auto* copy = owned_by<std::string>(CurrentMemoryContext);
  call_core([&]() -> Result<Done> {
    *copy = printable(text, kMostShown);
    return Done{};
  });
  return copy->c_str();
}

// Nothing for us, for a reason that is drift until a row has the name.
Skip skip_until_known(const Plan& plan, const char* reason, std::string_view name) {
  bool known;
  (void)plan.kind(name, &known);
  return {reason, known ? std::string_view() : name};
}

// A body that is not JSON has no event type, and no later mapping will find one.
const char* why_nameless(const Event& event) {
  const bool deep = call_core([&]() -> Result<bool> {
    const Envelope envelope = read_envelope(*event.vendor, event.body);
    if (!envelope.is_json) return {Code::kInvalidJson, "the body is not JSON"};
    return envelope.is_deep;
  });
  if (!deep) return "the body names no event type";
  return psprintf("the body names no event type, and something is nested deeper than %d levels", kMaxDepth);
}

// Event types that are about no resource have rows, too.
Skip why_skip_type(std::string_view event_type, std::string_view name, const Plan& plan) {
  bool known;
  const ResourceKind kind = plan.kind(name, &known);
  if (known && kind == ResourceKind::kSkipped) {
    return {psprintf("resource \"%s\" is of kind skipped", shown(name)), {}};
  }
  return skip_until_known(plan, psprintf("event type \"%s\" is not supported", shown(event_type)), name);
}

Skip why_skip_other(std::string_view event_type, const Plan& plan) {
  auto* name = owned_by<std::string>(CurrentMemoryContext);
  call_core([&]() -> Result<Done> {
    *name = name_of_type(event_type);
    return Done{};
  });
  return why_skip_type(event_type, *name, plan);
}

Skip why_skip_resource(const EventType& type, const Plan& plan, ResourceKind* kind) {
  bool known;
  *kind = plan.kind(type.resource, &known);
  if (!known) {
    return {psprintf("resource \"%s\" has no row in wearables.resources", shown(type.resource)), type.resource};
  }
  const Plan::Streams streams = plan.streams(type.resource);
  if (streams.is_stream && !streams.is_pulled && type.family == EventFamily::kData) {
    return {psprintf("streams of resource \"%s\" are not pulled: see resources.pull_stream", shown(type.resource)), {}};
  }
  if (type.family == EventFamily::kBackfillDone || *kind != ResourceKind::kSkipped) return {};
  return {psprintf("resource \"%s\" is of kind skipped", shown(type.resource)), {}};
}

Skip why_skip_kind(const Event& event, const EventType& type, const Plan& plan, ResourceKind* kind) {
  switch (type.family) {
    case EventFamily::kConnection:
      // by all of the name: of a family that is read, one verb that is known must not hide the next
      if (type.lifecycle != Lifecycle::kNothing) return {};
      return why_skip_type(event.event_type, event.event_type, plan);
    case EventFamily::kOther:
      return why_skip_other(event.event_type, plan);
    default:
      return why_skip_resource(type, plan, kind);
  }
}

}  // namespace

Skip why_skip(const Event& event, const EventType& type, ResourceKind* kind) {
  const Plan& plan = plan_at(event.revision, SnapshotMode::kNew);
  const bool empty = event.body.empty();
  if (event.event_type.empty()) {
    return skip_until_known(plan, empty ? "the body is empty" : why_nameless(event), kNoType);
  }
  if (empty) return {"the body is empty", {}};
  const Skip skip = why_skip_kind(event, type, plan, kind);
  if (skip.reason != nullptr || names_somebody(event)) return skip;
  // no registration would ever free it
  return skip_until_known(plan, "the event names no user", kNoUser);
}

}  // namespace wearables::pg
