// The documents of one body in the order in which they count (R3, R4), and which of their rows stand.
#pragma once

#include "core/base/result.h"
#include "core/write/sample.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace wearables {

// Rows of a batch stand in the order of the body, so those of a document stand side by side.
struct DocumentSet {
  std::vector<std::uint32_t> order;       // those that stand, by origin, then by their places in the body
  std::vector<std::size_t> first, count;  // by document: its rows, settled
  std::vector<std::int64_t> version;      // by document: of its readings

  std::size_t rows_of_standing() const noexcept;
};

// When the document was made, in milliseconds since 1970: its own updated_at where it has one, else the origin of its
// event. An updated_at more than a day after that is no time at which anybody can have sent it, and does not count.
std::int64_t origin_ms_of(const Document& document, std::int64_t event_version) noexcept;

// Gives each row its document's version and settles the rows of each document where they stand. Of two documents of one
// identity, streams among themselves, the later in `order` stands. `documents` is empty before. Returns how many rows
// were overtaken.
Result<std::size_t> order_documents(const Batch& batch, std::int64_t event_version, std::vector<Row>& rows,
                                    DocumentSet& documents);

// Keeps the rows of the documents that are live, live[i] telling it of documents.order[i]; one per key, settled.
// Returns how many rows of `order` went.
Result<std::size_t> keep_live_rows(const DocumentSet& documents, const bool* live, std::vector<Row>& rows);

}  // namespace wearables
