#include "pg/server/confidential.h"

namespace wearables::pg {

namespace {

void hide(void*) {
  (void)errhidestmt(true);
  (void)errhidecontext(true);
}

}  // namespace

void begin_confidential(Confidential* frame) noexcept {
  frame->callback = {error_context_stack, hide, nullptr};
  error_context_stack = &frame->callback;
}

void end_confidential(const Confidential& frame) noexcept { error_context_stack = frame.callback.previous; }

}  // namespace wearables::pg
