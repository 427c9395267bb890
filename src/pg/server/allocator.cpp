#include "core/json/json.h"

#include "pg/server/allocator.h"
#include "pg/server/boundary.h"

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

void give_back_after(size_t body_size) {
  constexpr size_t kLarge = size_t{1} << 20;
  if (body_size < kLarge) return;
  call_core([]() -> Result<Done> { return forget_large_body(), Done{}; });
#ifdef __GLIBC__
  (void)malloc_trim(0);
#endif
}

}  // namespace wearables::pg
