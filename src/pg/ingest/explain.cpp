// storable_json(): what a body must be made into before jsonb takes it.
#include "core/vendor/envelope.h"

#include <string>

#include "pg/server/boundary.h"
#include "pg/server/confidential.h"

extern "C" {
PG_FUNCTION_INFO_V1(wearables_storable_json);

Datum wearables_storable_json(PG_FUNCTION_ARGS) {
  using namespace wearables;
  pg::Confidential frame;
  pg::begin_confidential(&frame);
  const text* given = PG_GETARG_TEXT_PP(0);
  const std::string_view body{VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given)};
  auto* storable = pg::owned_by<std::string>(CurrentMemoryContext);
  pg::call_core([&]() -> wearables::Result<Done> { return *storable = storable_json(body), Done{}; });
  text* result = cstring_to_text_with_len(storable->data(), static_cast<int>(storable->size()));
  pg::end_confidential(frame);
  return PointerGetDatum(result);
}
}
