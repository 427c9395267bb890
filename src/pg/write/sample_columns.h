// The columns of sample_points, described once: name, type, whether it may be null, and how it is read from and put
// into a row of the core. Every reader, writer, decoder and statement of the room derives from kSampleColumns; so does
// the check of the catalog in sample_table.cpp. A new column is a line here, a member of Row that same_reading()
// compares, and a line in 50_sample.sql for each of the table, the type summary_sample and the view samples.
#pragma once

#include "core/write/sample.h"

#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "pg/server/instant.h"
#include "pg/server/server.h"
#include "pg/write/statement_text.h"

namespace wearables::pg {

// A row of the table: one of the core, and whose it is.
struct StoredRow {
  int64 user_id;
  Row row;
};

// How a value of the core is stored. A codec with null() is that of a column that may be null.
struct Bigint {
  using Stored = int64;
  static constexpr Oid kType = INT8OID;
  static constexpr std::string_view kTypeName = "bigint";
  static constexpr Stored encode(int64 value) noexcept { return value; }
  static constexpr int64 decode(Stored stored) noexcept { return stored; }
};

struct Smallint {
  using Stored = int16;
  static constexpr Oid kType = INT2OID;
  static constexpr std::string_view kTypeName = "smallint";
  static constexpr Stored encode(int16 value) noexcept { return value; }
  static constexpr int16 decode(Stored stored) noexcept { return stored; }
};

struct Number {
  using Stored = double;
  static constexpr Oid kType = FLOAT8OID;
  static constexpr std::string_view kTypeName = "float8";
  static constexpr Stored encode(double value) noexcept { return value; }
  static constexpr double decode(Stored stored) noexcept { return stored; }
};

struct Instant {
  using Stored = TimestampTz;
  static constexpr Oid kType = TIMESTAMPTZOID;
  static constexpr std::string_view kTypeName = "timestamptz";
  static constexpr Stored encode(Micros value) noexcept { return to_server(value); }
  static constexpr Micros decode(Stored stored) noexcept { return to_core(stored); }
};

struct OptionalNumber : Number {
  static double null() noexcept { return std::numeric_limits<double>::quiet_NaN(); }
  static bool is_null(double value) noexcept { return std::isnan(value); }
};

struct OptionalInstant : Instant {
  static constexpr Micros null() noexcept { return kNoInstant; }
  static constexpr bool is_null(Micros value) noexcept { return value == kNoInstant; }
};

struct OptionalOffset : Smallint {
  static constexpr int16 null() noexcept { return kNoOffset; }
  static constexpr bool is_null(int16 value) noexcept { return value == kNoOffset; }
};

inline Datum datum_of(int64 stored) { return Int64GetDatum(stored); }
inline Datum datum_of(int16 stored) { return Int16GetDatum(stored); }
inline Datum datum_of(double stored) { return Float8GetDatum(stored); }
template <class Stored>
Stored stored_of(Datum datum) {
  if constexpr (std::is_same_v<Stored, double>) return DatumGetFloat8(datum);
  if constexpr (std::is_same_v<Stored, int64>) return DatumGetInt64(datum);
  if constexpr (std::is_same_v<Stored, int16>) return DatumGetInt16(datum);
}

// The key tells rows apart, the reading is what they say, the version which of two stands (R2).
enum class Part { kKey, kReading, kVersion };

// Field is a member of Row, or of StoredRow.
template <class CodecT, auto Field>
struct SampleColumn {
  using Codec = CodecT;
  using Stored = typename Codec::Stored;
  static constexpr bool kNullable = requires { Codec::null(); };

  const char* name;
  Part part;

  static decltype(auto) field(StoredRow& stored) noexcept {
    if constexpr (std::is_same_v<decltype(Field), int64 StoredRow::*>) {
      return (stored.*Field);
    } else {
      return (stored.row.*Field);
    }
  }

  // Encodes what the column holds of a row; 0 where it is null.
  static Stored encode(int64 user_id, const Row& row, bool* null) noexcept {
    *null = false;
    if constexpr (std::is_same_v<decltype(Field), int64 StoredRow::*>) {
      return Codec::encode(user_id);
    } else if constexpr (kNullable) {
      *null = Codec::is_null(row.*Field);
      return *null ? Stored{} : Codec::encode(row.*Field);
    } else {
      return Codec::encode(row.*Field);
    }
  }

  static void decode(Stored value, StoredRow* stored) noexcept { field(*stored) = Codec::decode(value); }
  static void decode_null(StoredRow* stored) noexcept {
    if constexpr (kNullable) field(*stored) = Codec::null();
  }
};

// In the order of the table.
inline constexpr std::tuple kSampleColumns{
    SampleColumn<Bigint, &StoredRow::user_id>{"user_id", Part::kKey},
    SampleColumn<Instant, &Row::ts>{"ts", Part::kKey},
    SampleColumn<Number, &Row::value>{"value", Part::kReading},
    SampleColumn<Bigint, &Row::version>{"version", Part::kVersion},
    SampleColumn<OptionalNumber, &Row::secondary>{"value_secondary", Part::kReading},
    SampleColumn<OptionalInstant, &Row::ts_end>{"ts_end", Part::kReading},
    SampleColumn<Smallint, &Row::metric_id>{"metric_id", Part::kKey},
    SampleColumn<Smallint, &Row::source_id>{"source_id", Part::kKey},
    SampleColumn<Smallint, &Row::part>{"part", Part::kKey},
    SampleColumn<OptionalOffset, &Row::tz_offset>{"tz_offset", Part::kReading},
};
inline constexpr int kSampleColumnCount = std::tuple_size_v<decltype(kSampleColumns)>;

// Calls f(column, index) for each column, by code of its own for each: for what is done to every row.
template <class F>
constexpr void for_each_column(F&& f) {
  [&]<std::size_t... I>(std::index_sequence<I...>) { (f(std::get<I>(kSampleColumns), static_cast<int>(I)), ...); }
  (std::make_index_sequence<kSampleColumnCount>{});
}

// The same columns at run time, by index: for what is done by a statement anyway.
struct ColumnInfo {
  const char* name;
  Part part;
  Oid type;
  std::string_view type_name;
  int width;  // stored, in bytes; it is the alignment, too
  bool nullable;
  Datum (*encode)(int64 user_id, const Row& row, bool* null);
  void (*decode)(Datum value, bool null, StoredRow* stored);
};

inline constexpr auto kColumnInfo = [] {
  std::array<ColumnInfo, kSampleColumnCount> all{};
  for_each_column([&]<class Column>(const Column& column, int i) {
    using Stored = typename Column::Stored;
    all[i] = {column.name,
              column.part,
              Column::Codec::kType,
              Column::Codec::kTypeName,
              sizeof(Stored),
              Column::kNullable,
              [](int64 user_id, const Row& row, bool* null) { return datum_of(Column::encode(user_id, row, null)); },
              [](Datum value, bool null, StoredRow* stored) {
                null ? Column::decode_null(stored) : Column::decode(stored_of<Stored>(value), stored);
              }};
  });
  return all;
}();

// A tuple on a page is read without a look at the catalog: no column is padded, whichever of them are null.
static_assert(
    [] {
      for (int i = 1; i < kSampleColumnCount; ++i) {
        if (kColumnInfo[i - 1].width < kColumnInfo[i].width) return false;
      }
      return true;
    }(),
    "columns must stand in descending order of width");

consteval int column_named(std::string_view name) {
  for (int i = 0; i < kSampleColumnCount; ++i) {
    if (kColumnInfo[i].name == name) return i;
  }
  throw "no such column";
}

using ColumnList = std::span<const int>;

inline constexpr int kUserColumn = column_named("user_id");
inline constexpr int kTsColumn = column_named("ts");
inline constexpr int kMetricColumn = column_named("metric_id");
inline constexpr int kSourceColumn = column_named("source_id");
inline constexpr int kPartColumn = column_named("part");
inline constexpr int kVersionColumn = column_named("version");

// The primary key, in its order.
inline constexpr std::array kKeyColumns{kUserColumn, kMetricColumn, kTsColumn, kSourceColumn, kPartColumn};
// What a statement about one user's rows names them by.
inline constexpr std::array kKeyOfUser{kMetricColumn, kTsColumn, kSourceColumn, kPartColumn};

template <std::size_t Count>
consteval auto columns_with(bool (*wanted)(Part)) {
  std::array<int, Count> result{};
  std::size_t next = 0;
  for (int i = 0; i < kSampleColumnCount; ++i) {
    if (wanted(kColumnInfo[i].part)) result[next++] = i;
  }
  return result;
}
inline constexpr auto kAllColumns = columns_with<kSampleColumnCount>([](Part) { return true; });
inline constexpr auto kReadingColumns =
    columns_with<kSampleColumnCount - kKeyColumns.size() - 1>([](Part part) { return part == Part::kReading; });
// What an update sets: the reading and its version.
inline constexpr auto kSetColumns =
    columns_with<kSampleColumnCount - kKeyColumns.size()>([](Part part) { return part != Part::kKey; });

template <std::size_t A, std::size_t B>
consteval auto joined(const std::array<int, A>& a, const std::array<int, B>& b) {
  std::array<int, A + B> result{};
  for (std::size_t i = 0; i < A; ++i) result[i] = a[i];
  for (std::size_t i = 0; i < B; ++i) result[A + i] = b[i];
  return result;
}
// All but the user.
inline constexpr auto kColumnsOfUser = joined(kKeyOfUser, kSetColumns);

// Pieces of a statement: "s.value, s.ts_end"; "value = excluded.value, ts_end = excluded.ts_end"; "$2, $3";
// "$2::float8[], $3::timestamptz[]".
struct ColumnNames {
  ColumnList columns;
  std::string_view prefix = "";
};
struct Assignments {
  ColumnList columns;
  std::string_view prefix;
};
struct Parameters {
  ColumnList columns;
  int first;
};
struct ArrayParameters {
  ColumnList columns;
  int first;
};

template <class Item>
constexpr TextWriter& write_list(TextWriter& out, ColumnList columns, Item item) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) out << ", ";
    item(kColumnInfo[columns[i]], static_cast<int>(i));
  }
  return out;
}
constexpr TextWriter& operator<<(TextWriter& out, ColumnNames list) {
  return write_list(out, list.columns, [&](const ColumnInfo& column, int) { out << list.prefix << column.name; });
}
constexpr TextWriter& operator<<(TextWriter& out, Assignments list) {
  return write_list(out, list.columns,
                    [&](const ColumnInfo& column, int) { out << column.name << " = " << list.prefix << column.name; });
}
constexpr TextWriter& operator<<(TextWriter& out, Parameters list) {
  return write_list(out, list.columns, [&](const ColumnInfo&, int i) { out << "$" << list.first + i; });
}
constexpr TextWriter& operator<<(TextWriter& out, ArrayParameters list) {
  return write_list(out, list.columns, [&](const ColumnInfo& column, int i) {
    out << "$" << list.first + i << "::" << column.type_name << "[]";
  });
}

}  // namespace wearables::pg
