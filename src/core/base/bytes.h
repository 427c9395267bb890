// Base64, digests and the comparison of secrets. The only door to libcrypto is bytes.cpp.
#pragma once

#include "core/base/pure.h"

#include <array>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace wearables {

using Digest = std::array<unsigned char, 32>;

// View of a digest's bytes, for what takes bytes; lives as long as the digest.
std::string_view bytes_of(const Digest& digest) noexcept;

// Standard alphabet, padded. At most a gigabyte, which is all that Postgres can hold.
std::string base64_encode(std::string_view bytes);

// Standard alphabet; the padding may be missing, in whole or in part. Nothing for any other text,
// white space included. Bits behind the last whole byte are ignored.
std::optional<std::string> base64_decode(std::string_view text);

// The time it takes tells the lengths, never the contents.
bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept;

// Overwrites the text's bytes, those behind its end that it owns included, and empties it: for what held a secret.
void wipe(std::string& text) noexcept;

// All throw std::bad_alloc when libcrypto fails: out of memory is the only way it can.
// The message is the parts, one behind the other; none of them is copied.
Digest hmac_sha256(std::string_view key, std::initializer_list<std::string_view> message);
inline Digest hmac_sha256(std::string_view key, std::string_view message) { return hmac_sha256(key, {message}); }
Digest sha256(std::string_view message);

}  // namespace wearables
