#include "pg/subtransaction.h"

namespace wearables::pg {

ErrorData* in_subtransaction(void (*work)(void*), void* arg) {
  MemoryContext caller = CurrentMemoryContext;
  ResourceOwner owner = CurrentResourceOwner;
  MemoryContext scratch = AllocSetContextCreate(caller, "wearables event", ALLOCSET_DEFAULT_SIZES);
  ErrorData* volatile error = nullptr;
  BeginInternalSubTransaction(nullptr);
  // the only PG_TRY of the project: its frame holds plain data, and no C++ exception passes call_core()
  PG_TRY();
  {
    MemoryContextSwitchTo(scratch);
    work(arg);
    ReleaseCurrentSubTransaction();
  }
  PG_CATCH();
  {
    MemoryContextSwitchTo(caller);
    error = CopyErrorData();
    FlushErrorState();
    RollbackAndReleaseCurrentSubTransaction();
  }
  PG_END_TRY();
  MemoryContextSwitchTo(caller);
  CurrentResourceOwner = owner;
  MemoryContextDelete(scratch);
  return error;
}

bool is_final(int sqlstate) noexcept {
  return is_bad_data(sqlstate) ||
         ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_TO_CATEGORY(ERRCODE_PROGRAM_LIMIT_EXCEEDED);
}

bool is_bad_data(int sqlstate) noexcept {
  return ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION);
}

}  // namespace wearables::pg
