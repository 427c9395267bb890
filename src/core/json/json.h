// JSON as the core sees it: chosen fields of records, filled by one walk over a body.
// Only this room knows the parser behind it, by json_walk.h.
//
// Every walk checks the whole body: a text that is not one JSON value in UTF-8 is kInvalidJson,
// whatever the sink has been given before. A byte order mark is skipped. Of equal member names the
// last counts, as in jsonb; equal names that hold lists are all walked. A bare word (NaN)
// within a list or an object counts as a value, and what is nested deeper than kMaxDepth is checked
// and not read: neither costs what stands beside it.
#pragma once

#include "core/json/field_set.h"
#include "core/json/json_text.h"
#include "core/base/result.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wearables {

// Where a list or an object stands in a body. The walk holds these while it is within; the text of a pointer is made
// when somebody asks for it.
struct BodyPath {
  const BodyPath* above;  // of the object that it is a member of, or of the list that holds this object; null: the root
  std::size_t index;      // of the object in that list; Record::kNotListed when it stands in none
  std::string_view name;  // of the member
};

struct Record {
  bool is_object;
  std::span<const Value> fields;  // by slot; meaningless when it is not an object
  std::span<const Places> lists;  // of the field set
  const BodyPath* list;           // that holds it; null: the root
  std::size_t index;              // in that list; kNotListed when `list` is where the record itself stands
  std::size_t offset;             // of its text in the body
  std::size_t length;             // of that text; 0 for a sample
  bool too_deep = false;          // an object that is nested too deep to be read: counts as none

  static constexpr std::size_t kNotListed = static_cast<std::size_t>(-1);

  std::string pointer() const;  // RFC 6901, into the body
};

// Takes the records of a walk, in the order of the body.
class RecordSink {
 public:
  virtual void record(const Record& record) = 0;

  // Timeseries only: samples of one source follow. `group` is the key of the REST group, else
  // empty. A list may stand inside a list: end_list() returns to the one before.
  virtual void begin_list(std::span<const Value> source, std::string_view group);
  virtual void end_list();

 protected:
  ~RecordSink() = default;
};

// What a walk has found beside the records.
struct WalkFindings {
  // Members of records, or with "source." before them of their source, that the field set does not
  // know: each once, the first kMaxUnknowns of a body.
  std::vector<std::string> unknowns;
  std::string null_at;       // of a body without a list or a document: the place where null stands for it
  bool is_too_deep = false;  // something is nested deeper than kMaxDepth
};

// `stop` (may be null) is asked every thousand records or so; true ends a walk with kStopped.

// kUnexpectedShape when no list of samples stands in any of the places named in normalize.h, nor
// null; the message says what stands there. A source that stands behind its list is looked for
// before the list is walked. To pass over a list costs little, but not nothing: where more than
// kMaxListsAhead such lists stand within one another, the inner ones count as one sample that is
// nested too deep.
inline constexpr int kMaxListsAhead = 8;
Result<WalkFindings> walk_timeseries(std::string_view body, const FieldSet& sample_fields,
                                     const FieldSet& source_fields, RecordSink& sink, bool (*stop)());

// kUnexpectedShape as above, when no document or list of them does. `id_slot` is the field that
// tells a document from an object around a list of them.
Result<WalkFindings> walk_documents(std::string_view body, std::string_view list_key, const FieldSet& fields,
                                    std::uint16_t id_slot, RecordSink& sink, bool (*stop)());

// The body as one record; of a list, every element that is an object. Else there is no record.
Result<WalkFindings> walk_objects(std::string_view body, const FieldSet& fields, RecordSink& sink,
                                  bool (*stop)() = nullptr);

// Gives back what walks keep from body to body when that is large: for after a body that was.
void forget_large_body();

}  // namespace wearables
