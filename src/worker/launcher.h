// launcher: the one process that keeps wearables_ingest.workers workers running in each of
//           wearables_ingest.databases
// worker:   drains the queue of one database; see worker.h
// A database that is missing, or a template, is left alone until it can be connected to.
#pragma once

namespace wearables::worker {

// In _PG_init, while preloading.
void register_launcher();

}  // namespace wearables::worker
