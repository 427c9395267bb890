#include "pg/queue/trouble.h"

namespace wearables::pg {

Trouble trouble_of(int sqlstate) noexcept {
  if (sqlstate == ERRCODE_QUERY_CANCELED) return Trouble::kCanceled;
  if (sqlstate == ERRCODE_LOCK_NOT_AVAILABLE) return Trouble::kEnvironment;
  // what a database or a table is told to refuse for a while
  if (sqlstate == ERRCODE_READ_ONLY_SQL_TRANSACTION) return Trouble::kEnvironment;
  switch (ERRCODE_TO_CATEGORY(sqlstate)) {
    case ERRCODE_DATA_EXCEPTION:
      return Trouble::kBadData;
    case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
      return Trouble::kTooLarge;
    case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
      return Trouble::kSchema;
    case ERRCODE_INSUFFICIENT_RESOURCES:
    case ERRCODE_SYSTEM_ERROR:
    case ERRCODE_TRANSACTION_ROLLBACK:
    case ERRCODE_OPERATOR_INTERVENTION:
      return Trouble::kEnvironment;
    default:
      return Trouble::kOther;
  }
}

bool is_statement_timeout() noexcept {
  return StatementTimeout > 0 &&
         TimestampDifferenceExceeds(GetCurrentStatementStartTimestamp(), GetCurrentTimestamp(), StatementTimeout);
}

const char* describe(int sqlstate, const char* message) {
  return psprintf("%s (SQLSTATE %s)", message, unpack_sql_state(sqlstate));
}

}  // namespace wearables::pg
