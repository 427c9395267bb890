#include "pg/server/subtransaction.h"

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

}  // namespace wearables::pg
