#include "pg/server/spi.h"

#include <algorithm>

extern "C" {
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "commands/extension.h"
#include "parser/parsetree.h"
#include "utils/plancache.h"
#include "utils/syscache.h"
}

namespace wearables::pg {

namespace {

text* make_text(std::string_view value) {
  return cstring_to_text_with_len(value.data(), static_cast<int>(value.size()));
}

void prepare(Statement& statement, Oid* types, int count) {
  // planned once: left to itself the server would plan statements over the partitions anew each time
  SPIPlanPtr plan =
      SPI_prepare_cursor(marked_text(statement.text, statement.planning), count, types, CURSOR_OPT_GENERIC_PLAN);
  if (plan == nullptr || SPI_keepplan(plan) != 0) {
    ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
                    errmsg("cannot prepare a statement: %s", SPI_result_code_string(SPI_result)),
                    errdetail_internal("%s", statement.text)));
  }
  statement.plan = plan;
}

void prepare(Statement& statement, std::span<const Arg> args) {
  Oid types[kMaxArgs];
  int count = 0;
  for (const Arg& arg : args) types[count++] = arg.type;
  prepare(statement, types, count);
}

}  // namespace

Arg arg_int2(int16 value) { return {Int16GetDatum(value), INT2OID, false}; }
Arg arg_int4(int32 value) { return {Int32GetDatum(value), INT4OID, false}; }
Arg arg_int8(int64 value) { return {Int64GetDatum(value), INT8OID, false}; }
Arg arg_bool(bool value) { return {BoolGetDatum(value), BOOLOID, false}; }
Arg arg_instant(TimestampTz value) { return {TimestampTzGetDatum(value), TIMESTAMPTZOID, false}; }
Arg arg_text(std::string_view value) { return {PointerGetDatum(make_text(value)), TEXTOID, false}; }

Arg arg_text_or_null(std::string_view value) {
  if (value.empty()) return {Datum{0}, TEXTOID, true};
  return arg_text(value);
}

Arg arg_seconds(double value) { return arg_datum(FLOAT8OID, Float8GetDatum(value)); }

Arg arg_datum(Oid type, Datum value, bool null) { return {value, type, null}; }

Arg arg_array(Oid element, Datum* values, bool* nulls, int count) {
  int16 length;
  bool by_value;
  char align;
  get_typlenbyvalalign(element, &length, &by_value, &align);
  int dims[1] = {count};
  int bounds[1] = {1};
  ArrayType* array = construct_md_array(values, nulls, 1, dims, bounds, element, length, by_value, align);
  return {PointerGetDatum(array), get_array_type(element), false};
}

namespace {

// A long event runs many statements in one connection: their results must not pile up.
void forget_last_result() {
  if (SPI_tuptable != nullptr) SPI_freetuptable(SPI_tuptable);
}

struct Values {
  Datum values[kMaxArgs];
  char nulls[kMaxArgs];
};

Values values_of(std::span<const Arg> args) {
  Values values;
  int count = 0;
  for (const Arg& arg : args) {
    values.values[count] = arg.value;
    values.nulls[count++] = arg.null ? 'n' : ' ';
  }
  return values;
}

}  // namespace

uint64 run(Statement& statement, std::initializer_list<Arg> args, SnapshotMode mode) {
  return run(statement, std::span<const Arg>(args.begin(), args.size()), mode);
}

uint64 run(Statement& statement, std::span<const Arg> args, SnapshotMode mode) {
  Assert(args.size() <= kMaxArgs);
  MemoryContext caller = CurrentMemoryContext;
  if (statement.plan == nullptr) prepare(statement, args);
  forget_last_result();
  Values values = values_of(args);
  const int code = SPI_execute_plan(statement.plan, values.values, values.nulls, mode == SnapshotMode::kCallers, 0);
  // SPI leaves its own, which lasts as long as the connection
  MemoryContextSwitchTo(caller);
  if (code < 0) {
    ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("a statement failed: %s", SPI_result_code_string(code)),
                    errdetail_internal("%s", statement.text)));
  }
  return SPI_processed;
}

namespace {

bool writes_plainly(const PlannedStmt* planned, Oid table) {
  if (planned->commandType != CMD_INSERT || planned->hasModifyingCTE || !IsA(planned->planTree, ModifyTable))
    return false;
  const auto* modify = reinterpret_cast<const ModifyTable*>(planned->planTree);
  if (list_length(modify->resultRelations) != 1 || !IsA(modify->plan.lefttree, Result)) return false;
  return rt_fetch(linitial_int(modify->resultRelations), planned->rtable)->relid == table;
}

}  // namespace

bool is_plain_insert(Statement& statement, Oid table, std::initializer_list<Oid> types) {
  constinit static const void* planned_by = nullptr;
  if (statement.plan != nullptr && planned_by != planner_in_force()) {
    SPI_freeplan(statement.plan);
    statement.plan = nullptr;
  }
  if (statement.plan == nullptr) {
    Oid copied[kMaxArgs];
    std::copy(types.begin(), types.end(), copied);
    prepare(statement, copied, static_cast<int>(types.size()));
    planned_by = planner_in_force();
  }
  CachedPlan* plan = SPI_plan_get_cached_plan(statement.plan);
  if (plan == nullptr) return false;
  const bool plain =
      list_length(plan->stmt_list) == 1 && writes_plainly(linitial_node(PlannedStmt, plan->stmt_list), table);
  ReleaseCachedPlan(plan, CurrentResourceOwner);
  return plain;
}

Cursor open_cursor(Statement& statement, std::initializer_list<Arg> list) {
  const std::span<const Arg> args(list.begin(), list.size());
  Assert(args.size() <= kMaxArgs);
  MemoryContext caller = CurrentMemoryContext;
  if (statement.plan == nullptr) prepare(statement, args);
  Values values = values_of(args);
  // not read-only: its snapshot is a new one
  const Cursor cursor{SPI_cursor_open(nullptr, statement.plan, values.values, values.nulls, false)};
  MemoryContextSwitchTo(caller);
  return cursor;
}

uint64 fetch(const Cursor& cursor, int rows) {
  MemoryContext caller = CurrentMemoryContext;
  forget_last_result();
  SPI_cursor_fetch(cursor.portal, true, rows);
  MemoryContextSwitchTo(caller);
  return SPI_processed;
}

void close_cursor(const Cursor& cursor) { SPI_cursor_close(cursor.portal); }

void init_receiver(DestReceiver* receiver, bool (*receive)(TupleTableSlot* slot, DestReceiver* self)) {
  receiver->receiveSlot = receive;
  receiver->rStartup = [](DestReceiver*, int, TupleDesc) {};
  receiver->rShutdown = [](DestReceiver*) {};
  receiver->rDestroy = [](DestReceiver*) {};
  receiver->mydest = DestNone;
}

void scan(const char* text, std::initializer_list<Arg> args, DestReceiver* receiver) {
  MemoryContext caller = CurrentMemoryContext;
  forget_last_result();
  ParamListInfo parameters = makeParamList(static_cast<int>(args.size()));
  int count = 0;
  for (const Arg& arg : args) {
    parameters->params[count++] = {arg.value, arg.null, PARAM_FLAG_CONST, arg.type};
  }
  SPIExecuteOptions options{};
  options.params = parameters;
  options.read_only = true;
  options.must_return_tuples = true;
  options.dest = receiver;
  const int code = SPI_execute_extended(text, &options);
  MemoryContextSwitchTo(caller);
  if (code < 0) {
    ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("a statement failed: %s", SPI_result_code_string(code)),
                    errdetail_internal("%s", text)));
  }
}

Datum get(uint64 row, int column, bool* null) {
  Assert(SPI_tuptable != nullptr && row < SPI_tuptable->numvals);
  return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, null);
}

int64 get_int8(uint64 row, int column, int64 if_null) {
  bool null;
  const Datum value = get(row, column, &null);
  return null ? if_null : DatumGetInt64(value);
}

int32 get_int4(uint64 row, int column, int32 if_null) {
  bool null;
  const Datum value = get(row, column, &null);
  return null ? if_null : DatumGetInt32(value);
}

int16 get_int2(uint64 row, int column, int16 if_null) {
  bool null;
  const Datum value = get(row, column, &null);
  return null ? if_null : DatumGetInt16(value);
}

double get_float8(uint64 row, int column, double if_null) {
  bool null;
  const Datum value = get(row, column, &null);
  return null ? if_null : DatumGetFloat8(value);
}

TimestampTz get_instant(uint64 row, int column, TimestampTz if_null) {
  bool null;
  const Datum value = get(row, column, &null);
  return null ? if_null : DatumGetTimestampTz(value);
}

bool get_bool(uint64 row, int column) {
  bool null;
  const Datum value = get(row, column, &null);
  return !null && DatumGetBool(value);
}

std::string_view get_text(uint64 row, int column) {
  bool null;
  const Datum value = get(row, column, &null);
  if (null) return {};
  struct varlena* flat = pg_detoast_datum_packed(reinterpret_cast<struct varlena*>(value));
  return {VARDATA_ANY(flat), VARSIZE_ANY_EXHDR(flat)};
}

char* copy_text(uint64 row, int column, MemoryContext context) {
  bool null;
  get(row, column, &null);
  if (null) return nullptr;
  const std::string_view view = get_text(row, column);
  char* copy = static_cast<char*>(MemoryContextAlloc(context, view.size() + 1));
  memcpy(copy, view.data(), view.size());
  copy[view.size()] = '\0';
  return copy;
}

namespace {

// DROP EXTENSION locks the extension first and then its tables, in no order of ours. Whoever works on the
// queue holds the extension until the transaction ends: else the two may end up waiting for each other.
void hold_extension(Oid schema) {
  constinit static Oid extension = InvalidOid;
  constinit static Oid of_schema = InvalidOid;
  if (of_schema != schema) {
    extension = get_extension_oid("wearables_ingest", false);
    of_schema = schema;
  }
  LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
}

}  // namespace

namespace {

void set_for_scope(const char* name, const char* value) {
  (void)set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

OwnerScope open_scope() {
  OwnerScope scope;
  GetUserIdAndSecContext(&scope.user, &scope.security);
  scope.guc_level = NewGUCNestLevel();
  return scope;
}

[[noreturn]] void raise_no_schema() {
  ereport(ERROR,
          (errcode(ERRCODE_UNDEFINED_SCHEMA), errmsg("schema \"wearables\" does not exist"),
           errhint("If the schema was renamed, rename it back. Otherwise run CREATE EXTENSION wearables_ingest.")));
}

void become_owner(const OwnerScope& scope) {
  const Oid schema = get_namespace_oid("wearables", true);
  if (!OidIsValid(schema)) raise_no_schema();
  hold_extension(schema);
  HeapTuple tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
  if (!HeapTupleIsValid(tuple)) raise_no_schema();
  const Oid owner = (reinterpret_cast<Form_pg_namespace>(GETSTRUCT(tuple)))->nspowner;
  ReleaseSysCache(tuple);
  SetUserIdAndSecContext(owner, scope.security | SECURITY_LOCAL_USERID_CHANGE);
  set_for_scope("search_path", "pg_catalog, pg_temp");
}

}  // namespace

OwnerScope enter_owner() {
  const OwnerScope scope = open_scope();
  become_owner(scope);
  return scope;
}

OwnerScope enter_job() {
  const OwnerScope scope = open_scope();
  // setting one costs more than looking
  if (DateStyle != USE_ISO_DATES) set_for_scope("DateStyle", "ISO");
  if (IntervalStyle != INTSTYLE_POSTGRES) set_for_scope("IntervalStyle", "postgres");
  become_owner(scope);
  return scope;
}

void leave(const OwnerScope& scope) {
  AtEOXact_GUC(true, scope.guc_level);
  SetUserIdAndSecContext(scope.user, scope.security);
}

}  // namespace wearables::pg
