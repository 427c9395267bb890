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
  std::vector<std::uint32_t> order;       // those that stand, by version, then id: the later wins a key that two claim
  std::vector<std::size_t> first, count;  // by document: its rows, settled
  std::vector<std::int64_t> version;      // by document

  std::size_t rows_of_standing() const noexcept;
};

// The order key of a document: its own updated_at where it has one, else that of its event.
std::int64_t version_of_document(const Document& document, std::int64_t event_version) noexcept;

// Gives each row its document's version and settles the rows of each document where they stand. Of two documents of one
// id the later in `order` stands. `documents` is empty before. Returns how many rows were overtaken.
Result<std::size_t> order_documents(const Batch& batch, std::int64_t event_version, std::vector<Row>& rows,
                                    DocumentSet& documents);

// Keeps the rows of the documents that are live, live[i] telling it of documents.order[i]; one per key, settled.
// Returns how many rows of `order` went.
Result<std::size_t> keep_live_rows(const DocumentSet& documents, const bool* live, std::vector<Row>& rows);

}  // namespace wearables
