#include "pg/server/planning.h"

#include <cstring>
#include <initializer_list>

extern "C" {
#include "jit/jit.h"
#include "optimizer/cost.h"
#include "optimizer/planner.h"
#include "parser/parsetree.h"
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
  bool seqscan, indexscan, indexonlyscan, bitmapscan, nestloop, hashjoin, mergejoin, sort, jit;
};

Switches switches_now() {
  return {enable_seqscan,  enable_indexscan, enable_indexonlyscan, enable_bitmapscan, enable_nestloop,
          enable_hashjoin, enable_mergejoin, enable_sort,          jit_enabled};
}

void set(const Switches& switches) {
  enable_seqscan = switches.seqscan;
  enable_indexscan = switches.indexscan;
  enable_indexonlyscan = switches.indexonlyscan;
  enable_bitmapscan = switches.bitmapscan;
  enable_nestloop = switches.nestloop;
  enable_hashjoin = switches.hashjoin;
  enable_mergejoin = switches.mergejoin;
  enable_sort = switches.sort;
  jit_enabled = switches.jit;
}

PlannedStmt* plan_with(const Switches& during, Query* query, const char* text, int options, ParamListInfo parameters) {
  const Switches before = switches_now();
  PlannedStmt* volatile planned = nullptr;
  PG_TRY();
  {
    set(during);
    planned = plan_as_usual(query, text, options, parameters);
  }
  PG_FINALLY();
  { set(before); }
  PG_END_TRY();
  return planned;
}

// --- What was planned in spite of it: an index is gone

// Tables that grow. The partitions of webhook_events begin with its name.
bool grows(const char* table) {
  for (const char* name : {"sample_points", "jobs", "deliveries", "summaries", "parked_events"}) {
    if (strcmp(table, name) == 0) return true;
  }
  return strncmp(table, "webhook_events", strlen("webhook_events")) == 0;
}

void complain_of_scan(const PlannedStmt* planned, Index which) {
  const RangeTblEntry* entry = rt_fetch(which, planned->rtable);
  const char* table = get_rel_name(entry->relid);
  if (table == nullptr || !grows(table)) return;
  const char* schema = get_namespace_name(get_rel_namespace(entry->relid));
  if (schema == nullptr || strcmp(schema, "wearables") != 0) return;
  ereport(LOG, (errcode(ERRCODE_UNDEFINED_OBJECT),
                errmsg("wearables_ingest has to scan all of wearables.%s, because an index is missing", table),
                errhint("Create the missing index again: compare \\d wearables.%s with a new installation.", table)));
}

void look_for_scans(const PlannedStmt* planned, const Plan* node);

void look_for_scans_in(const PlannedStmt* planned, List* nodes) {
  ListCell* cell;
  foreach (cell, nodes) look_for_scans(planned, static_cast<Plan*>(lfirst(cell)));
}

void look_for_scans(const PlannedStmt* planned, const Plan* node) {
  if (node == nullptr) return;
  check_stack_depth();
  if (IsA(node, SeqScan)) complain_of_scan(planned, (reinterpret_cast<const Scan*>(node))->scanrelid);
  if (IsA(node, Append)) look_for_scans_in(planned, (reinterpret_cast<const Append*>(node))->appendplans);
  if (IsA(node, MergeAppend)) look_for_scans_in(planned, (reinterpret_cast<const MergeAppend*>(node))->mergeplans);
  if (IsA(node, SubqueryScan)) look_for_scans(planned, (reinterpret_cast<const SubqueryScan*>(node))->subplan);
  look_for_scans(planned, node->lefttree);
  look_for_scans(planned, node->righttree);
}

void complain_of_scans(const PlannedStmt* planned) {
  look_for_scans(planned, planned->planTree);
  look_for_scans_in(planned, planned->subplans);
}

PlannedStmt* plan(Query* query, const char* text, int options, ParamListInfo parameters) {
  const bool by_key = begins_with(text, kByKeyMark);
  if (!by_key && !begins_with(text, kManyToManyMark)) return plan_as_usual(query, text, options, parameters);
  // what is switched off looks expensive where it cannot be avoided, and must not be compiled for that
  const Switches during{false, true, true, !by_key, true, !by_key, !by_key, true, false};
  PlannedStmt* planned = plan_with(during, query, text, options, parameters);
  complain_of_scans(planned);
  return planned;
}

}  // namespace

const char* marked_text(const char* text, Planning planning) {
  const char* mark = planning == Planning::kByKey ? kByKeyMark : kManyToManyMark;
  const Size size = strlen(mark) + strlen(text) + 1;
  char* marked = static_cast<char*>(MemoryContextAlloc(TopMemoryContext, size));
  snprintf(marked, size, "%s%s", mark, text);
  return marked;
}

const void* planner_in_force() noexcept { return reinterpret_cast<const void*>(planner_hook); }

void install_planning() {
  next_planner = planner_hook;
  planner_hook = plan;
}

}  // namespace wearables::pg
