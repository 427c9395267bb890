// A filter of the view samples by the name of a metric, as one by its number. The primary key of sample_points holds
// numbers, so a query that fixes the name alone reads an index range only through a join, whose order the planner does
// not know: the newest readings of a metric were found by sorting all of them.
//
// The view's own condition, metric_named(p.metric_id, m.name), is true by its join. Its support function looks among
// the conditions of the query for one that fixes m.name, and puts p.metric_id = metric_id_of(value) in its place; for
// m.name = ANY (values) p.metric_id = ANY (metric_ids_of(values)), which reads no other metric, but sorts.
// Nothing is locked. The names are looked up when the query runs, under its snapshot and with the caller's rights.
#include "pg/people/zone.h"
#include "pg/server/spi.h"

#include <utility>

extern "C" {
#include "catalog/pg_collation_d.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_proc.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
}

namespace wearables::pg {

namespace {

// Operators are resolved by the search path of the session that prepares it.
Statement select_metric_id{
    "SELECT m.metric_id AS metric_id FROM wearables.metrics m WHERE m.name OPERATOR(pg_catalog.=) $1"};
enum { kMetricIdColumn = 1 };

Statement select_metric_ids{
    "SELECT coalesce(pg_catalog.array_agg(m.metric_id), '{}') AS metric_ids FROM wearables.metrics m "
    "WHERE m.name OPERATOR(pg_catalog.=) ANY ($1)"};
enum { kMetricIdsColumn = 1 };

// --- Which value a query fixes the name at

struct Search {
  Index relation;    // whose rows the conditions bind: that of the name
  const Var* name;   // or a column that equals it
  Node* value;       // null: none has been found
  Node* values;      // an array of which one is the name; null: none has been found
  List* equal_vars;  // columns that equal it
};

// Null for what is no column of the query.
const Var* column_of(Node* node) {
  if (IsA(node, RelabelType)) node = reinterpret_cast<Node*>(reinterpret_cast<RelabelType*>(node)->arg);
  if (!IsA(node, Var)) return nullptr;
  const auto* var = reinterpret_cast<const Var*>(node);
  return var->varlevelsup == 0 ? var : nullptr;
}

bool is_name(const Search& search, Node* node) {
  const Var* var = column_of(node);
  return var != nullptr && var->varno == search.name->varno && var->varattno == search.name->varattno;
}

// Whether it has one value throughout a scan.
bool is_fixed(Node* node) { return !contain_vars_of_level(node, 0) && !contain_volatile_functions(node); }

// Equality of bytes, as the unique index of metrics.name has it.
void look_in_operator(Search* search, const OpExpr* clause) {
  if (clause->opno != TextEqualOperator || !get_collation_isdeterministic(clause->inputcollid)) return;
  auto* left = static_cast<Node*>(linitial(clause->args));
  auto* right = static_cast<Node*>(lsecond(clause->args));
  if (is_name(*search, right)) std::swap(left, right);
  if (!is_name(*search, left)) return;
  if (is_fixed(right)) {
    search->value = right;
  } else if (column_of(right) != nullptr) {
    search->equal_vars = lappend(search->equal_vars, const_cast<Var*>(column_of(right)));
  }
}

// The same of = ANY (array), which IN (list) is, too.
void look_in_any(Search* search, const ScalarArrayOpExpr* clause) {
  if (clause->opno != TextEqualOperator || !clause->useOr || !get_collation_isdeterministic(clause->inputcollid))
    return;
  auto* array = static_cast<Node*>(lsecond(clause->args));
  if (is_name(*search, static_cast<Node*>(linitial(clause->args))) && is_fixed(array)) search->values = array;
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
  if (IsA(condition, ScalarArrayOpExpr)) look_in_any(search, reinterpret_cast<const ScalarArrayOpExpr*>(condition));
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
  if (IsA(node, RangeTblRef))
    return reinterpret_cast<const RangeTblRef*>(node)->rtindex == static_cast<int>(search->relation);
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

// A function of the schema of metric_named(). By name it could be looked up only with rights on that schema, which the
// readers of a view do not need.
Oid look_up_function(Oid metric_named, const char* name, Oid argument) {
  return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
                         PointerGetDatum(buildoidvector(&argument, 1)),
                         ObjectIdGetDatum(get_func_namespace(metric_named)));
}

// metric_id = metric_id_of(value), or metric_id = ANY (metric_ids_of(values)); null for want of the function.
Node* number_condition(PlannerInfo* root, Oid metric_named, Node* metric_id, const Search& search) {
  const bool one = search.value != nullptr;
  const Oid function = one ? look_up_function(metric_named, "metric_id_of", TEXTOID)
                           : look_up_function(metric_named, "metric_ids_of", TEXTARRAYOID);
  if (!OidIsValid(function)) return nullptr;
  Node* names = one ? search.value : search.values;
  FuncExpr* number = makeFuncExpr(function, one ? INT2OID : INT2ARRAYOID, list_make1(copyObjectImpl(names)), InvalidOid,
                                  C_COLLATION_OID, COERCE_EXPLICIT_CALL);
  const Oid equal = lookup_type_cache(INT2OID, TYPECACHE_EQ_OPR)->eq_opr;
  auto* id = static_cast<Expr*>(copyObjectImpl(metric_id));
  Expr* condition;
  if (one) {
    condition = make_opclause(equal, BOOLOID, false, id, reinterpret_cast<Expr*>(number), InvalidOid, InvalidOid);
  } else {
    auto* any = makeNode(ScalarArrayOpExpr);
    any->opno = equal;
    any->opfuncid = get_opcode(equal);
    any->useOr = true;
    any->args = list_make2(id, number);
    any->location = -1;
    condition = reinterpret_cast<Expr*>(any);
  }
  // what a support function returns is not simplified any more
  return eval_const_expressions(root, reinterpret_cast<Node*>(condition));
}

// Looks for the name, then for what equals it: the conditions that fix it bind the same rows.
void look_for_value(Search* search, Node* jointree) {
  look_below(search, jointree);
  List* equal_vars = search->equal_vars;
  ListCell* cell;
  foreach (cell, equal_vars) {
    if (search->value != nullptr) return;
    search->name = static_cast<const Var*>(lfirst(cell));
    search->equal_vars = NIL;  // among which is the name itself
    look_below(search, jointree);
  }
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
    search.relation = search.name->varno;
    look_for_value(&search, reinterpret_cast<Node*>(request.root->parse->jointree));
  }
  if (search.value == nullptr && search.values == nullptr) return makeBoolConst(true, false);
  return number_condition(request.root, call->funcid, metric_id, search);
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
PG_FUNCTION_INFO_V1(wearables_metric_ids_of);
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

// The planner asks once a scan where it reads by the key. Elsewhere each row asks, of one array: the last answer lasts
// as long as the query.
Datum wearables_metric_ids_of(PG_FUNCTION_ARGS) {
  using namespace wearables::pg;
  struct Last {
    ArrayType* names;
    ArrayType* ids;
  };
  auto* last = static_cast<Last*>(fcinfo->flinfo->fn_extra);
  ArrayType* names = PG_GETARG_ARRAYTYPE_P(0);
  if (last != nullptr && VARSIZE(last->names) == VARSIZE(names) && memcmp(last->names, names, VARSIZE(names)) == 0) {
    PG_RETURN_ARRAYTYPE_P(last->ids);
  }
  fcinfo->flinfo->fn_extra = nullptr;
  SPI_connect();
  run(select_metric_ids, {arg_datum(TEXTARRAYOID, PointerGetDatum(names))}, SnapshotMode::kCallers);
  bool null;
  const Datum found = get(0, kMetricIdsColumn, &null);
  MemoryContext caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
  last = static_cast<Last*>(palloc(sizeof(Last)));
  last->names = DatumGetArrayTypePCopy(PointerGetDatum(names));
  last->ids = DatumGetArrayTypePCopy(found);
  MemoryContextSwitchTo(caller);
  SPI_finish();
  fcinfo->flinfo->fn_extra = last;
  PG_RETURN_ARRAYTYPE_P(last->ids);
}
}
