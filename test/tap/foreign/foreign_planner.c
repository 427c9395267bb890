/* What extensions such as TimescaleDB and Citus do to an INSERT: a node of theirs stands above or in place of ModifyTable.
 * This one stands above it, and says so. While it is loaded, it also says when the executor writes sample_points at all. */
#include "postgres.h"

#include "access/table.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/planner.h"
#include "parser/parsetree.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

PG_MODULE_MAGIC;

void _PG_init(void);

static planner_hook_type next_planner;
static ExecutorStart_hook_type next_start;
static bool stands_above = false;

static void begin_node(CustomScanState *node, EState *estate, int eflags)
{
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;

	node->custom_ps = list_make1(ExecInitNode(linitial(plan->custom_plans), estate, eflags));
	elog(WARNING, "a foreign node writes sample_points");
}

static TupleTableSlot *exec_node(CustomScanState *node) { return ExecProcNode(linitial(node->custom_ps)); }
static void end_node(CustomScanState *node) { ExecEndNode(linitial(node->custom_ps)); }
static void rescan_node(CustomScanState *node) { ExecReScan(linitial(node->custom_ps)); }

static const CustomExecMethods exec_methods = {
	.CustomName = "foreign", .BeginCustomScan = begin_node, .ExecCustomScan = exec_node,
	.EndCustomScan = end_node, .ReScanCustomScan = rescan_node};

static Node *make_state(CustomScan *plan)
{
	CustomScanState *state = (CustomScanState *) newNode(sizeof(CustomScanState), T_CustomScanState);

	state->methods = &exec_methods;
	return (Node *) state;
}

static const CustomScanMethods scan_methods = {.CustomName = "foreign", .CreateCustomScanState = make_state};

static bool writes_samples(PlannedStmt *planned)
{
	return planned->commandType == CMD_INSERT && list_length(planned->resultRelations) == 1 &&
		strcmp(get_rel_name(rt_fetch(linitial_int(planned->resultRelations), planned->rtable)->relid), "sample_points") == 0;
}

static PlannedStmt *plan_insert(Query *query, const char *text, int options, ParamListInfo parameters)
{
	PlannedStmt *planned = next_planner ? next_planner(query, text, options, parameters)
		: standard_planner(query, text, options, parameters);
	CustomScan *above;
	ListCell *cell;

	if (!stands_above || !writes_samples(planned))
		return planned;
	above = makeNode(CustomScan);
	above->methods = &scan_methods;
	above->custom_plans = list_make1(planned->planTree);
	above->custom_scan_tlist = planned->planTree->targetlist;
	foreach(cell, planned->planTree->targetlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);
		Var *var = makeVar(INDEX_VAR, entry->resno, exprType((Node *) entry->expr), exprTypmod((Node *) entry->expr),
			exprCollation((Node *) entry->expr), 0);

		above->scan.plan.targetlist = lappend(above->scan.plan.targetlist, makeTargetEntry((Expr *) var, entry->resno, entry->resname, false));
	}
	planned->planTree = &above->scan.plan;
	return planned;
}

static void start_executor(QueryDesc *query, int eflags)
{
	if (writes_samples(query->plannedstmt))
		elog(WARNING, "the executor writes sample_points");
	if (next_start)
		next_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

void _PG_init(void)
{
	DefineCustomBoolVariable("foreign_planner.stands_above", "Whether it does.", NULL, &stands_above, false, PGC_USERSET, 0, NULL, NULL, NULL);
	next_planner = planner_hook;
	planner_hook = plan_insert;
	next_start = ExecutorStart_hook;
	ExecutorStart_hook = start_executor;
}
