// A body and a plan make a batch. Pure: no clock, no database, no state.
#pragma once

#include "core/parse/mapping.h"
#include "core/base/result.h"
#include "core/write/sample.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wearables {

// Tested every thousand readings or so; true makes normalize() return kStopped.
using StopFlag = bool (*)();

// Names that the database has no room for: what is of them is refused as kNoMoreNames.
struct ClosedNames {
  std::vector<SourceRef> sources;
  std::vector<std::string> metrics;  // extended ones
};

// The document that a stream is about, whose id and source its body does not hold. Views into the caller's memory.
struct StreamSubject {
  std::string_view id, provider, source_type;
  // Between which the document lies; kNoInstant: unknown. A reading more than kLongestSession before or after that is
  // none of it.
  Micros from = kNoInstant;
  Micros to = kNoInstant;
};

// Reads every reading of `resource` in `body` by `plan`. Shapes accepted, in any nesting the vendor uses:
//   timeseries  {data:{source,data:[sample]}}, a list of such groups, REST {groups:{provider:[{source,data}]}};
//               where the source is null or absent {data:{provider,data}}; one sample in the place of the inner list
//   summary     {data:{document}}, {data:[document]}, {data:{data:[document]}}, {data:{data:{document}}} with an id,
//               REST {<list_key>:[document]}, a bare {document} with an id
//   and any of these inside a top-level list. A document's provider is the first text of source.provider, source.slug,
//   source_provider and provider.
// A sample is one reading for each mapping with a value in it, and one (refused) when none has; a
// document is one for each mapping with a value, and one when it has no id or no source. One bad
// reading becomes a Rejected and sinks nothing else, be it a bare word (NaN) or nested deeper than
// kMaxDepth. Where null stands for the list or the document there are no readings, and
// Batch::null_at says so. Text that is not JSON is kInvalidJson, and nothing of it counts; JSON of
// another shape is kUnexpectedShape, and the message says of which; a resource that the plan skips
// or does not know is kInvalidArgument. The readings take the place of what `batch` held; after an
// error it means nothing. `refused`, ascending by ordinal, are samples that normalize() made of the same body before
// and the caller found wrong: they are refused for these reasons, all else is as before.
// The body of a stream (ResourceDef::stream_of) is one document as it is, that of `subject`; without a subject it has
// no id. A stream within a document (ResourceDef::stream_field) is a document of its own: it stands behind the one that
// holds it, with the same id, and is marked by Document::is_stream.
Result<Done> normalize(const Plan& plan, std::string_view resource, std::string_view body, Batch& batch,
                       StopFlag stop = nullptr, const ClosedNames* closed = nullptr,
                       std::span<const Refusal> refused = {}, const StreamSubject* subject = nullptr);

// Notes a text that a field holds and that nobody knows: each text once, as far as there is room for another.
void note_unknown_text(Batch& batch, std::string_view path, std::string_view text);

// Whether indexes, ordinals and counts of a batch are what the writers build on, for a body of so many bytes: always
// true of what normalize() made, for assertions.
bool is_consistent(const Batch& batch, std::size_t body_size);

inline Result<Batch> normalize(const Plan& plan, std::string_view resource, std::string_view body,
                               StopFlag stop = nullptr) {
  Batch batch;
  if (auto done = normalize(plan, resource, body, batch, stop); !done.ok()) return done.error();
  return batch;
}

}  // namespace wearables
