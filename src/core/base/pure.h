// Included first by every core header: the core must build and run without a server.
#pragma once

#ifdef POSTGRES_H
#error "core headers come before pg/server.h: the core knows nothing of Postgres"
#endif
