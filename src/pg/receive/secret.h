// A secret as endpoint_secrets holds it: the text itself, or where it lies: file:/absolute/path or env:NAME.
// Which directory and which names may be read, two settings of the superuser say. Why a secret cannot be read is
// told to the server's log and to nobody else: the answer would say what lies on the server.
#pragma once

#include "core/vendor/signature.h"

#include <string_view>

#include "pg/server/server.h"

namespace wearables::pg {

// "webhook": the scheme says what is one. "api_key": any text but an empty one.
enum class SecretKind { kWebhook, kApiKey };

inline constexpr int kMaxSecretBytes = 4096;  // of one, given or in a file

// Raises unless the caller may set this value as a secret of this kind.
void check_secret_value(const SignatureScheme& scheme, SecretKind kind, std::string_view value);

// The secret that a stored value is or names, copied into `context`. False when it cannot be had: then `cause`
// says why, for the server's log alone. A file or a variable is read at each call, so that a rotation counts at once.
bool read_secret(const SignatureScheme& scheme, SecretKind kind, std::string_view value, MemoryContext context,
                 std::string_view* secret, const char** cause);

}  // namespace wearables::pg
