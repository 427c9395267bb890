// What a trigger function of ours is called with.
#pragma once

#include <initializer_list>

#include "pg/server/server.h"

namespace wearables::pg {

// The call's trigger data, on one of `tables` of schema wearables. Raises for any other call: a trigger function
// that was attached to another relation would read its columns as if they were ours.
const TriggerData* trigger_on(FunctionCallInfo fcinfo, const char* function, std::initializer_list<const char*> tables);

}  // namespace wearables::pg
