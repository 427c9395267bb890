#include "pg/server/boundary.h"

#include <algorithm>
#include <cstring>

namespace wearables::pg {

int sqlstate_of(Code code) noexcept {
  switch (code) {
    case Code::kInvalidArgument:
      return ERRCODE_INVALID_PARAMETER_VALUE;
    case Code::kNoSecret:
    case Code::kBadSecret:
      return ERRCODE_INVALID_PASSWORD;
    case Code::kMissingHeader:
    case Code::kBadTimestamp:
    case Code::kStaleTimestamp:
    case Code::kBadSignature:
    case Code::kAsymmetric:
    case Code::kBadMessageId:
      return ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION;
    case Code::kInvalidJson:
      return ERRCODE_INVALID_TEXT_REPRESENTATION;
    case Code::kUnexpectedShape:
      return ERRCODE_DATA_EXCEPTION;
    case Code::kInvalidMapping:
      return ERRCODE_CONFIG_FILE_ERROR;
    case Code::kStopped:
      return ERRCODE_QUERY_CANCELED;
  }
  return ERRCODE_INTERNAL_ERROR;
}

void describe(Failure& failure, int sqlstate, std::string_view message) noexcept {
  failure.sqlstate = sqlstate;
  const size_t length = std::min(message.size(), sizeof failure.message - 1);
  std::memcpy(failure.message, message.data(), length);
  failure.message[pg_mbcliplen(failure.message, static_cast<int>(length), static_cast<int>(length))] = '\0';
}

void raise(const Failure& failure) {
  // a stopped core means that an interrupt waits: the server's own error is the right one
  if (failure.sqlstate == ERRCODE_QUERY_CANCELED) CHECK_FOR_INTERRUPTS();
  ereport(ERROR, (errcode(failure.sqlstate), errmsg("%s", failure.message)));
  pg_unreachable();
}

bool stop_requested() noexcept { return QueryCancelPending || ProcDiePending; }

}  // namespace wearables::pg
