// A filter of the view samples by the name of a metric, as one by its number. The primary key of sample_points holds
// numbers, so a query that fixes the name alone reads an index range only through a join, whose order the planner does
// not know: the newest readings of a metric were found by sorting all of them.
//
// The view's own condition, metric_named(p.metric_id, m.name), is true by its join. Its support function looks among
// the conditions of the query for one that fixes m.name, and puts p.metric_id = metric_id_of(value) in its place.
// Nothing is locked. The name is looked up when the query runs, under its snapshot and with the caller's rights.
#include "pg/people/zone.h"
#include "pg/server/spi.h"

extern "C" {
#include "catalog/pg_collation_d.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_proc.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
}

namespace wearables::pg {

namespace {

// Operators are resolved by the search path of the session that prepares it.
Statement select_metric_id{
    "SELECT m.metric_id AS metric_id FROM wearables.metrics m WHERE m.name OPERATOR(pg_catalog.=) $1"};
enum { kMetricIdColumn = 1 };

// --- Which value a query fixes the name at

struct Search {
  const Var* name;
  Node* value;  // null: none has been found
};

bool is_name(const Search& search, Node* node) {
  if (IsA(node, RelabelType)) node = reinterpret_cast<Node*>(reinterpret_cast<RelabelType*>(node)->arg);
  if (!IsA(node, Var)) return false;
  const auto* var = reinterpret_cast<const Var*>(node);
  return var->varno == search.name->varno && var->varattno == search.name->varattno && var->varlevelsup == 0;
}

// Whether it has one value throughout a scan.
bool is_fixed(Node* node) { return !contain_vars_of_level(node, 0) && !contain_volatile_functions(node); }

// Equality of bytes, as the unique index of metrics.name has it.
void look_in_operator(Search* search, const OpExpr* clause) {
  if (clause->opno != TextEqualOperator || !get_collation_isdeterministic(clause->inputcollid)) return;
  auto* left = static_cast<Node*>(linitial(clause->args));
  auto* right = static_cast<Node*>(lsecond(clause->args));
  if (is_name(*search, left) && is_fixed(right)) search->value = right;
  if (is_name(*search, right) && is_fixed(left)) search->value = left;
}

// In a condition, as the parser or the planner (a list: all of them) has left it.
void look_in_condition(Search* search, Node* condition) {
  if (condition == nullptr || search->value != nullptr) return;
  check_stack_depth();
  List* all = nullptr;
  if (IsA(condition, List)) all = reinterpret_cast<List*>(condition);
  if (is_andclause(condition)) all = reinterpret_cast<BoolExpr*>(condition)->args;
  ListCell* cell;
  foreach (cell, all) look_in_condition(search, static_cast<Node*>(lfirst(cell)));
  if (IsA(condition, OpExpr)) look_in_operator(search, reinterpret_cast<const OpExpr*>(condition));
}

bool look_below(Search* search, Node* node);

// The condition of a join binds the rows of its inner side; those of its outer side only if none is kept without it.
bool look_in_join(Search* search, const JoinExpr* join) {
  const bool in_left = look_below(search, join->larg);
  if (!in_left && !look_below(search, join->rarg)) return false;
  const JoinType type = join->jointype;
  const bool binds = type == JOIN_INNER || type == JOIN_SEMI || (in_left ? type == JOIN_RIGHT : type != JOIN_RIGHT);
  if (binds && type != JOIN_FULL) look_in_condition(search, join->quals);
  return true;
}

// Whether the relation of the name is below `node`. The conditions on the way to it are looked through.
bool look_below(Search* search, Node* node) {
  if (node == nullptr) return false;
  check_stack_depth();
  if (IsA(node, RangeTblRef)) return reinterpret_cast<const RangeTblRef*>(node)->rtindex == search->name->varno;
  if (IsA(node, JoinExpr)) return look_in_join(search, reinterpret_cast<const JoinExpr*>(node));
  if (!IsA(node, FromExpr)) return false;
  const auto* from = reinterpret_cast<const FromExpr*>(node);
  bool below = false;
  ListCell* cell;
  foreach (cell, from->fromlist) below = below || look_below(search, static_cast<Node*>(lfirst(cell)));
  if (below) look_in_condition(search, from->quals);
  return below;
}

// --- What stands in its place

// The function metric_id_of(text), which lies in the schema of metric_named(). By name it could be looked up only with
// rights on that schema, which the readers of a view do not need.
Oid look_up_function(Oid metric_named) {
  constexpr Oid kTypes[] = {TEXTOID};
  return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum("metric_id_of"),
                         PointerGetDatum(buildoidvector(kTypes, lengthof(kTypes))),
                         ObjectIdGetDatum(get_func_namespace(metric_named)));
}

// metric_id = metric_id_of(value); null for want of the function.
Node* number_condition(PlannerInfo* root, Oid metric_named, Node* metric_id, Node* value) {
  const Oid function = look_up_function(metric_named);
  if (!OidIsValid(function)) return nullptr;
  FuncExpr* number = makeFuncExpr(function, INT2OID, list_make1(copyObjectImpl(value)), InvalidOid, C_COLLATION_OID,
                                  COERCE_EXPLICIT_CALL);
  Expr* condition = make_opclause(lookup_type_cache(INT2OID, TYPECACHE_EQ_OPR)->eq_opr, BOOLOID, false,
                                  static_cast<Expr*>(copyObjectImpl(metric_id)), reinterpret_cast<Expr*>(number),
                                  InvalidOid, InvalidOid);
  // what a support function returns is not simplified any more
  return eval_const_expressions(root, reinterpret_cast<Node*>(condition));
}

// Null where the planner is to leave the call as it is.
Node* simplified(const SupportRequestSimplify& request) {
  const FuncExpr* call = request.fcall;
  if (request.root == nullptr || list_length(call->args) != 2) return nullptr;
  auto* metric_id = static_cast<Node*>(linitial(call->args));
  auto* name = static_cast<Node*>(lsecond(call->args));
  Search search{};
  if (IsA(metric_id, Var) && IsA(name, Var) && reinterpret_cast<const Var*>(name)->varlevelsup == 0) {
    search.name = reinterpret_cast<const Var*>(name);
    look_below(&search, reinterpret_cast<Node*>(request.root->parse->jointree));
  }
  if (search.value == nullptr) return makeBoolConst(true, false);
  return number_condition(request.root, call->funcid, metric_id, search.value);
}

// --- The number of a name

constexpr int16 kNoMetric = 0;

// The last answer of a call site, which lasts as long as its query.
struct Found {
  std::string_view name;
  int16 metric_id;
};

Found* found_in(MemoryContext context, std::string_view name) {
  auto* found = static_cast<Found*>(MemoryContextAllocZero(context, sizeof(Found)));
  auto* copy = static_cast<char*>(MemoryContextAlloc(context, name.size() + 1));
  memcpy(copy, name.data(), name.size());
  found->name = {copy, name.size()};
  SPI_connect();
  const bool exists = run(select_metric_id, {arg_text(name)}, SnapshotMode::kCallers) > 0;
  found->metric_id = exists ? get_int2(0, kMetricIdColumn) : kNoMetric;
  SPI_finish();
  return found;
}

}  // namespace

}  // namespace wearables::pg

extern "C" {
PG_FUNCTION_INFO_V1(wearables_metric_named);
PG_FUNCTION_INFO_V1(wearables_metric_named_support);
PG_FUNCTION_INFO_V1(wearables_metric_id_of);

Datum wearables_metric_named(PG_FUNCTION_ARGS) { PG_RETURN_BOOL(true); }

Datum wearables_metric_named_support(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  auto* request = reinterpret_cast<Node*>(PG_GETARG_POINTER(0));
  if (!IsA(request, SupportRequestSimplify)) PG_RETURN_POINTER(nullptr);
  PG_RETURN_POINTER(simplified(*reinterpret_cast<const SupportRequestSimplify*>(request)));
}

// A scan without an index asks for each row.
Datum wearables_metric_id_of(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  auto* last = static_cast<Found*>(fcinfo->flinfo->fn_extra);
  const std::string_view name = text_of(PG_GETARG_DATUM(0));
  if (last == nullptr || last->name != name) {
    fcinfo->flinfo->fn_extra = nullptr;
    last = found_in(fcinfo->flinfo->fn_mcxt, name);
    fcinfo->flinfo->fn_extra = last;
  }
  if (last->metric_id == kNoMetric) PG_RETURN_NULL();
  PG_RETURN_INT16(last->metric_id);
}
}
