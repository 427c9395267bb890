#include "pg/server/trigger.h"

extern "C" {
#include "utils/rel.h"
}

namespace wearables::pg {

const TriggerData* trigger_on(FunctionCallInfo fcinfo, const char* function,
                              std::initializer_list<const char*> tables) {
  if (CALLED_AS_TRIGGER(fcinfo)) {
    const auto* data = reinterpret_cast<const TriggerData*>(fcinfo->context);
    const bool ours = RelationGetNamespace(data->tg_relation) == get_namespace_oid("wearables", false);
    for (const char* table : tables) {
      if (ours && strcmp(RelationGetRelationName(data->tg_relation), table) == 0) return data;
    }
  }
  ereport(ERROR,
          (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("%s() was not called by its trigger", function),
           errdetail("It can only be used by triggers that the extension creates.")));
}

}  // namespace wearables::pg
