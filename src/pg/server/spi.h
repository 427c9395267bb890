// SQL from C++: statements whose plans are kept, arguments by constructor, results by column number.
// Every statement is schema-qualified; SPI's global result is read here only.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "pg/server/planning.h"

namespace wearables::pg {

struct Arg {
  Datum value;
  Oid type;
  bool null;
};

Arg arg_int2(int16 value);
Arg arg_int4(int32 value);
Arg arg_int8(int64 value);
Arg arg_bool(bool value);
Arg arg_instant(TimestampTz value);
Arg arg_text(std::string_view value);          // copied into the current context
Arg arg_text_or_null(std::string_view value);  // empty is null
Arg arg_seconds(double value);                 // a float8, for make_interval()
Arg arg_datum(Oid type, Datum value, bool null = false);

inline constexpr int kMaxArgs = 24;  // of one statement

// A prepared statement with static storage; prepared and kept at its first run in a session.
struct Statement {
  const char* text;
  Planning planning = Planning::kByKey;
  SPIPlanPtr plan = nullptr;
};

// Runs within SPI_connect .. SPI_finish; raises unless the statement did what its kind does.
// Returns the number of rows that it returned or, without RETURNING, touched. Each run sees what has been
// committed before it; with kCallers it sees what the calling query sees, and may not write.
enum class SnapshotMode { kNew, kCallers };
uint64 run(Statement& statement, std::initializer_list<Arg> args, SnapshotMode mode = SnapshotMode::kNew);
uint64 run(Statement& statement, std::span<const Arg> args, SnapshotMode mode = SnapshotMode::kNew);

// Whether the planner carries the INSERT out by ModifyTable alone, into the table that it names: not where another
// extension's nodes stand above or in place of it, as TimescaleDB's and Citus's do. The types are those of its
// parameters. Within SPI.
bool is_plain_insert(Statement& statement, Oid table, std::initializer_list<Oid> types);

// The same for a SELECT whose result is read page by page: fetch() gives the number of rows of the next page, which are
// then those of the last run. A cursor sees what had been written when it was opened.
struct Cursor {
  Portal portal;
};
Cursor open_cursor(Statement& statement, std::initializer_list<Arg> args);
uint64 fetch(const Cursor& cursor, int rows);
void close_cursor(const Cursor& cursor);

// The rows of the last run; valid until the next.
Datum get(uint64 row, int column, bool* null);
int64 get_int8(uint64 row, int column, int64 if_null = 0);
int32 get_int4(uint64 row, int column, int32 if_null = 0);
int16 get_int2(uint64 row, int column, int16 if_null = 0);
double get_float8(uint64 row, int column, double if_null = 0);
bool get_bool(uint64 row, int column);
TimestampTz get_instant(uint64 row, int column, TimestampTz if_null = 0);
// View into the result row (detoasted in SPI's context); empty for null.
std::string_view get_text(uint64 row, int column);
// Copy in `context`; null pointer for null.
char* copy_text(uint64 row, int column, MemoryContext context);

// Hands each row of a SELECT to `receiver`, as a slot, and keeps none. Planned anew for these very values, and run with
// what the calling query sees; the last run's rows are gone.
void scan(const char* text, std::initializer_list<Arg> args, DestReceiver* receiver);
// A receiver for it that does nothing but receive.
void init_receiver(DestReceiver* receiver, bool (*receive)(TupleTableSlot* slot, DestReceiver* self));

// Arrays for unnest(); null elements by predicate array (may be nullptr).
Arg arg_array(Oid element, Datum* values, bool* nulls, int count);

// Runs what follows as the owner of schema wearables, with a pinned search_path, until leave(). DROP EXTENSION
// waits until the transaction has ended.
// An error leaves by itself: (sub)transaction abort restores both.
struct OwnerScope {
  Oid user;
  int security;
  int guc_level;
};
OwnerScope enter_owner();
void leave(const OwnerScope& scope);

// The same for the work of the queue, under settings of our own whatever the site's are.
OwnerScope enter_job();

}  // namespace wearables::pg
