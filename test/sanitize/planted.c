/* Mistakes made on purpose: a run of make sanitize in which they go unseen would prove nothing. */
#include "postgres.h"

#include <stdlib.h>

#include "fmgr.h"

PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(planted_overflow);
PG_FUNCTION_INFO_V1(planted_shift);

/* Reads behind the end of what malloc() gave. */
Datum planted_overflow(PG_FUNCTION_ARGS) {
  volatile char *bytes = calloc(1, 40);
  char read = bytes[PG_GETARG_INT32(0)];
  free((void *)bytes);
  PG_RETURN_INT32(read);
}

Datum planted_shift(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(1 << PG_GETARG_INT32(0));
}
