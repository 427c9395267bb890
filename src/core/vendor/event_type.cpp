#include "core/vendor/event_type.h"

#include "core/base/assert.h"
#include "core/vendor/vendor.h"

#include <algorithm>
#include <cstddef>

namespace wearables {
namespace {

// Event types of this extension's own events, whoever the vendor is.
constexpr EventPattern kOwnPatterns[] = {{"pulled.data.{resource}", EventFamily::kPage}};

// Takes the front of `rest` up to `end`, which goes too.
std::string_view take_word(std::string_view& rest, char end) noexcept {
  const std::size_t length = std::min(rest.find(end), rest.size());
  const std::string_view word = rest.substr(0, length);
  rest.remove_prefix(std::min(length + 1, rest.size()));
  return word;
}

bool is_one_of(std::string_view word, std::string_view choices) noexcept {
  while (!choices.empty()) {
    if (take_word(choices, '|') == word) return true;
  }
  return false;
}

// Whether a word is what the pattern has in its place.
bool matches_word(std::string_view wanted, std::string_view word, EventType& type) noexcept {
  if (word.empty()) return false;
  if (!wanted.starts_with('{')) return word == wanted;
  WEARABLES_ASSERT(wanted.size() > 2 && wanted.ends_with('}'));
  const std::string_view what = wanted.substr(1, wanted.size() - 2);
  if (what == "resource") {
    type.resource = word;
    return true;
  }
  type.action = word;
  return what == "action" || is_one_of(word, what);
}

bool matches(const EventPattern& pattern, std::string_view text, EventType& type) noexcept {
  // taking the last word leaves nothing of a text, and of one with a full stop at its end
  const std::size_t words = static_cast<std::size_t>(std::count(text.begin(), text.end(), '.'));
  if (static_cast<std::size_t>(std::count(pattern.pattern.begin(), pattern.pattern.end(), '.')) != words) return false;
  type = {};
  type.family = pattern.family;
  std::string_view wanted = pattern.pattern;
  for (std::size_t i = 0; i <= words; ++i) {
    if (!matches_word(take_word(wanted, '.'), take_word(text, '.'), type)) return false;
  }
  return true;
}

bool matches_any(std::span<const EventPattern> patterns, std::string_view text, EventType& type) noexcept {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const EventPattern& pattern) { return matches(pattern, text, type); });
}

Lifecycle find_lifecycle(std::span<const LifecycleWord> words, std::string_view word, Lifecycle otherwise) noexcept {
  for (const LifecycleWord& known : words) {
    if (known.word == word) return known.lifecycle;
  }
  return otherwise;
}

}  // namespace

EventType classify(const Vendor& vendor, std::string_view event_type) noexcept {
  EventType type;
  if (!matches_any(vendor.event_types, event_type, type) && !matches_any(kOwnPatterns, event_type, type)) return {};
  if (!type.action.empty() && type.action == vendor.update_action) type.age = EventAge::kUpdated;
  if (type.family == EventFamily::kConnection) {
    type.lifecycle = find_lifecycle(vendor.lifecycle_actions, type.action, Lifecycle::kNothing);
  }
  return type;
}

Lifecycle lifecycle_of_error(const Vendor& vendor, std::string_view error_type) noexcept {
  return find_lifecycle(vendor.lifecycle_errors, error_type, Lifecycle::kError);
}

std::string name_of_type(std::string_view event_type) {
  const std::size_t stop = event_type.rfind('.');
  if (stop == std::string_view::npos) return std::string(event_type) + '.';
  const std::string_view subject = event_type.substr(0, stop);
  return std::string(subject.find('.') == std::string_view::npos ? event_type : subject);
}

}  // namespace wearables
