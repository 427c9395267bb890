// The table of kinds is filled while the library is loaded and is constant afterwards: nothing here is locked.
#include "pg/queue/job_kind.h"

#include "pg/server/settings.h"

namespace wearables::pg {

namespace {

constinit const JobKind* kinds[kMaxJobKinds] = {};
constinit int count = 0;

}  // namespace

void register_job_kind(const JobKind* kind) {
  Assert(count < kMaxJobKinds && find_job_kind(kind->name) == nullptr);
  // one of the two shapes
  Assert((kind->work != nullptr) == (kind->outside == nullptr && kind->flight == nullptr));
  Assert(kind->outside == nullptr || kind->flight == nullptr);
  Assert((kind->work == nullptr) == (kind->end != nullptr));
  Assert((kind->needs_preparation != nullptr) == (kind->prepare != nullptr));
  Assert(kind->concurrency.max_claimed > 0 && kind->concurrency.max_claimed <= kMaxClaim);
  kinds[count++] = kind;
}

int job_kind_count() noexcept { return count; }

const JobKind& job_kind(int index) noexcept {
  Assert(index >= 0 && index < count);
  return *kinds[index];
}

const JobKind* find_job_kind(std::string_view name) noexcept {
  for (int i = 0; i < count; ++i) {
    if (name == kinds[i]->name) return kinds[i];
  }
  return nullptr;
}

int max_attempts(const JobKind& kind) noexcept {
  return kind.retry.max_attempts > 0 ? kind.retry.max_attempts : settings().max_attempts;
}

}  // namespace wearables::pg
