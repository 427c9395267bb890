#include "pg/planning.h"

#include <cstring>

extern "C" {
#include "jit/jit.h"
#include "optimizer/cost.h"
#include "optimizer/planner.h"
}

namespace wearables::pg {

namespace {

constexpr const char* kByKeyMark = "/* wearables_ingest, by key */ ";
constexpr const char* kManyToManyMark = "/* wearables_ingest, many to many */ ";

constinit planner_hook_type next_planner = nullptr;

bool begins_with(const char* text, const char* mark) {
  return text != nullptr && strncmp(text, mark, strlen(mark)) == 0;
}

PlannedStmt* plan_as_usual(Query* query, const char* text, int options, ParamListInfo parameters) {
  if (next_planner != nullptr) return next_planner(query, text, options, parameters);
  return standard_planner(query, text, options, parameters);
}

// The planner's switches, as they were.
struct Switches {
  bool seqscan, bitmapscan, hashjoin, mergejoin, jit;
};

Switches switches_now() { return {enable_seqscan, enable_bitmapscan, enable_hashjoin, enable_mergejoin, jit_enabled}; }

void set(const Switches& switches) {
  enable_seqscan = switches.seqscan;
  enable_bitmapscan = switches.bitmapscan;
  enable_hashjoin = switches.hashjoin;
  enable_mergejoin = switches.mergejoin;
  jit_enabled = switches.jit;
}

PlannedStmt* plan_with(const Switches& during, Query* query, const char* text, int options,
                       ParamListInfo parameters) {
  const Switches before = switches_now();
  PlannedStmt* volatile planned = nullptr;
  PG_TRY();
  {
    set(during);
    planned = plan_as_usual(query, text, options, parameters);
  }
  PG_FINALLY();
  {
    set(before);
  }
  PG_END_TRY();
  return planned;
}

PlannedStmt* plan(Query* query, const char* text, int options, ParamListInfo parameters) {
  const bool by_key = begins_with(text, kByKeyMark);
  if (!by_key && !begins_with(text, kManyToManyMark)) return plan_as_usual(query, text, options, parameters);
  // what is switched off looks expensive where it cannot be avoided, and must not be compiled for that
  const Switches during{false, !by_key && enable_bitmapscan, !by_key && enable_hashjoin, !by_key && enable_mergejoin, false};
  return plan_with(during, query, text, options, parameters);
}

}  // namespace

const char* marked_text(const char* text, Planning planning) {
  const char* mark = planning == Planning::kByKey ? kByKeyMark : kManyToManyMark;
  char* marked = static_cast<char*>(MemoryContextAlloc(TopMemoryContext, strlen(mark) + strlen(text) + 1));
  strcpy(marked, mark);
  return strcat(marked, text);
}

void install_planning() {
  next_planner = planner_hook;
  planner_hook = plan;
}

}  // namespace wearables::pg
