// Tells whom the policies of a table bind. They are read from the relation's cache entry, so no statement of ours is
// planned under the caller's search_path; the lock that the caller holds keeps the entry as it is.
//
// A permissive policy of the site's takes the place of the open one (84_roles.sql), for every role.
#include "pg/write/policy.h"

extern "C" {
#include "rewrite/rowsecurity.h"
#include "utils/rel.h"
#include "utils/rls.h"
}

namespace wearables::pg {

namespace {

// The policy by which whoever is bound by no other sees every row (84_roles.sql).
constexpr const char* kOpenPolicy = "wearables_read";

bool is_for_caller(const RowSecurityPolicy& policy) {
  const auto* roles = reinterpret_cast<const Oid*>(ARR_DATA_PTR(policy.roles));
  for (int i = 0; i < ARR_DIMS(policy.roles)[0]; ++i) {
    if (roles[i] == ACL_ID_PUBLIC || has_privs_of_role(GetUserId(), roles[i])) return true;
  }
  return false;
}

}  // namespace

bool binds_caller(Relation table) {
  if (check_enable_rls(RelationGetRelid(table), InvalidOid, true) != RLS_ENABLED) return false;
  if (table->rd_rsdesc == nullptr) return true;
  bool open = false;
  ListCell* cell;
  foreach (cell, table->rd_rsdesc->policies) {
    const auto* policy = static_cast<const RowSecurityPolicy*>(lfirst(cell));
    if (policy->permissive && strcmp(policy->policy_name, kOpenPolicy) == 0) {
      open = true;
    } else if (policy->permissive || is_for_caller(*policy)) {
      return true;
    }
  }
  return !open;
}

}  // namespace wearables::pg
