// The process's malloc, on which both the core and the server's memory contexts stand.
#pragma once

#include <cstddef>

namespace wearables::pg {

// Once per process: up to 16 MB of freed memory stay with it. Otherwise glibc gives the buffers of
// a body back to the system after each statement, and faulting their pages in again costs more than
// filling them.
void keep_freed_memory() noexcept;

// After a body that was large has been handled, and what it took is freed: gives it back to the system, with what the
// core keeps from body to body.
void give_back_after(size_t body_size);

}  // namespace wearables::pg
