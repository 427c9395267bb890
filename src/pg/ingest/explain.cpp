// What the functions of 83_explain.sql, which are plpgsql, need of the core: a body as jsonb takes it, and the resource
// of an event. Neither writes or takes a lock. The body is somebody's: its text stays out of the log.
#include "core/json/storable_json.h"

#include <string>

#include "pg/receive/endpoint.h"
#include "pg/receive/signature.h"
#include "pg/server/boundary.h"
#include "pg/server/confidential.h"
#include "pg/server/spi.h"

extern "C" {
PG_FUNCTION_INFO_V1(wearables_storable_json);
PG_FUNCTION_INFO_V1(wearables_resource_of);

Datum wearables_storable_json(PG_FUNCTION_ARGS) {
  using namespace wearables;
  pg::Confidential frame;
  pg::begin_confidential(&frame);
  const std::string_view body = pg::view_of(PG_GETARG_TEXT_PP(0));
  auto* storable = pg::owned_by<std::string>(CurrentMemoryContext);
  pg::call_core([&]() -> wearables::Result<Done> { return *storable = storable_json(body), Done{}; });
  text* result = cstring_to_text_with_len(storable->data(), static_cast<int>(storable->size()));
  pg::end_confidential(frame);
  return PointerGetDatum(result);
}

Datum wearables_resource_of(PG_FUNCTION_ARGS) {
  using namespace wearables;
  const std::string_view event_type = pg::view_of(PG_GETARG_TEXT_PP(0));
  const std::string_view endpoint = pg::view_of(PG_GETARG_TEXT_PP(1));
  SPI_connect();
  const Vendor& vendor = pg::vendor_of(endpoint, pg::SnapshotMode::kCallers);
  SPI_finish();
  const std::string_view resource = classify(vendor, event_type).resource;
  if (resource.empty()) PG_RETURN_NULL();
  PG_RETURN_TEXT_P(cstring_to_text_with_len(resource.data(), static_cast<int>(resource.size())));
}
}
