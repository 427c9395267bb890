#include "pg/allocator.h"

#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace wearables::pg {

void keep_freed_memory() noexcept {
#ifdef __GLIBC__
  constinit static bool done = false;
  if (done) return;
  done = true;
  constexpr int kKept = 16 << 20;
  // what is as large as that goes straight back still
  (void)mallopt(M_MMAP_THRESHOLD, kKept);
  (void)mallopt(M_TRIM_THRESHOLD, kKept);
#endif
}

}  // namespace wearables::pg
