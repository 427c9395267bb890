#include "core/write/document.h"

#include "core/base/assert.h"
#include "core/write/version.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <unordered_set>

namespace wearables {
namespace {

// Returns how many rows the documents had that do not stand.
std::size_t drop_former_states(const Batch& batch, DocumentSet& documents) {
  std::size_t overtaken = 0;
  std::unordered_set<std::string_view> standing[2];  // of documents, and of the streams within them
  std::vector<std::uint32_t> kept;
  for (auto which = documents.order.rbegin(); which != documents.order.rend(); ++which) {
    const Document& document = batch.documents[*which];
    if (standing[document.is_stream ? 1 : 0].insert(document.identity()).second) {
      kept.push_back(*which);
    } else {
      overtaken += documents.count[*which];
    }
  }
  documents.order.assign(kept.rbegin(), kept.rend());
  return overtaken;
}

}  // namespace

std::size_t DocumentSet::rows_of_standing() const noexcept {
  std::size_t rows = 0;
  for (const std::uint32_t which : order) rows += count[which];
  return rows;
}

std::int64_t origin_ms_of(const Document& document, std::int64_t event_version) noexcept {
  constexpr std::int64_t kLatestAfterEvent = kMicrosPerDay / kMicrosPerMillisecond;
  const std::int64_t event = version_origin_ms(event_version);
  if (document.updated_at == kNoInstant) return event;
  const std::int64_t own = document.updated_at / kMicrosPerMillisecond;
  return own > event + kLatestAfterEvent ? event : own;
}

Result<std::size_t> order_documents(const Batch& batch, std::int64_t event_version, std::vector<Row>& rows,
                                    DocumentSet& documents) {
  const std::size_t count = batch.documents.size();
  documents.first.resize(count);
  documents.count.resize(count);
  std::size_t overtaken = 0;
  std::size_t next = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    documents.order.push_back(i);
    const Document& document = batch.documents[i];
    documents.version.push_back(version_of_document(origin_ms_of(document, event_version), document.identity()));
    documents.first[i] = next;
    for (; next < rows.size() && rows[next].document == i; ++next) rows[next].version = documents.version[i];
    const std::size_t all = next - documents.first[i];
    documents.count[i] = settle(std::span(rows).subspan(documents.first[i], all));
    overtaken += all - documents.count[i];
  }
  WEARABLES_ASSERT(next == rows.size());  // every row is of a document
  std::stable_sort(documents.order.begin(), documents.order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return version_origin_ms(documents.version[a]) < version_origin_ms(documents.version[b]);
  });
  overtaken += drop_former_states(batch, documents);
  WEARABLES_ASSERT(documents.rows_of_standing() + overtaken == rows.size());
  return overtaken;
}

Result<std::size_t> keep_live_rows(const DocumentSet& documents, const bool* live, std::vector<Row>& rows) {
  const std::size_t standing = documents.rows_of_standing();
  std::uint32_t rank = 0;
  std::vector<bool> stays(rows.size());
  for (std::size_t i = 0; i < documents.order.size(); ++i) {
    if (!live[i]) continue;
    const std::uint32_t which = documents.order[i];
    for (std::size_t at = documents.first[which]; at < documents.first[which] + documents.count[which]; ++at) {
      rows[at].ordinal = rank++;  // so that settle() prefers the later document
      stays[at] = true;
    }
  }
  std::size_t kept = 0;
  for (std::size_t at = 0; at < rows.size(); ++at) {
    if (stays[at]) rows[kept++] = rows[at];
  }
  rows.resize(kept);
  settle(rows);
  return standing - rows.size();
}

}  // namespace wearables
