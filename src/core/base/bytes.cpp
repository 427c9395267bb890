#include "core/base/bytes.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

#include <memory>
#include <new>

namespace wearables {
namespace {

constexpr std::string_view kBase64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // libcrypto counts in int

const unsigned char* unsigned_data(std::string_view bytes) noexcept {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

unsigned char* unsigned_data(std::string& bytes) noexcept { return reinterpret_cast<unsigned char*>(bytes.data()); }

// The error queue belongs to the whole process: the server reads it after its own calls.
void require(bool done) {
  if (done) return;
  ERR_clear_error();
  throw std::bad_alloc();
}

struct FreeMac {
  void operator()(EVP_MAC_CTX* mac) const noexcept { EVP_MAC_CTX_free(mac); }
};
using Mac = std::unique_ptr<EVP_MAC_CTX, FreeMac>;

// HMAC-SHA-256 before its key: to copy it costs less than to look the two up by name. Never freed.
const EVP_MAC_CTX* hmac_sha256_pattern() {
  static const EVP_MAC_CTX* const kept = [] {
    char hash[] = "SHA256";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash, 0),
                                     OSSL_PARAM_construct_end()};
    EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    require(hmac != nullptr);
    EVP_MAC_CTX* const pattern = EVP_MAC_CTX_new(hmac);
    require(pattern != nullptr && EVP_MAC_CTX_set_params(pattern, parameters) == 1);
    return pattern;
  }();
  return kept;
}

// Made once: SHA256() looks the algorithm up and allocates at each call, which took a third of the time of a document.
// For one thread at a time, as all of the core.
EVP_MD_CTX* sha256_context() {
  static EVP_MD_CTX* const kept = [] {
    const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    EVP_MD_CTX* const context = EVP_MD_CTX_new();
    require(algorithm != nullptr && context != nullptr && EVP_DigestInit_ex2(context, algorithm, nullptr) == 1);
    return context;
  }();
  return kept;
}

}  // namespace

std::string_view bytes_of(const Digest& digest) noexcept {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string base64_encode(std::string_view bytes) {
  if (bytes.size() > kMostBytes) throw std::bad_alloc();
  // The terminating NUL of EVP_EncodeBlock falls on the string's own.
  std::string text((bytes.size() + 2) / 3 * 4, '\0');
  EVP_EncodeBlock(unsigned_data(text), unsigned_data(bytes), static_cast<int>(bytes.size()));
  return text;
}

// EVP_DecodeBlock skips white space, reads '=' as a digit anywhere and counts padding as bytes. So
// it sees nothing but digits here, in whole groups of four.
std::optional<std::string> base64_decode(std::string_view text) {
  const std::string_view digits = text.substr(0, text.find_last_not_of('=') + 1);
  const std::size_t missing = (4 - digits.size() % 4) % 4;
  if (missing == 3 || text.size() - digits.size() > missing) return std::nullopt;
  if (digits.find_first_not_of(kBase64Digits) != std::string_view::npos) return std::nullopt;
  if (digits.size() > kMostBytes) return std::nullopt;

  std::string groups(digits);
  groups.append(missing, 'A');
  std::string bytes(groups.size() / 4 * 3, '\0');
  EVP_DecodeBlock(unsigned_data(bytes), unsigned_data(groups), static_cast<int>(groups.size()));
  bytes.resize(bytes.size() - missing);
  return bytes;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void wipe(std::string& text) noexcept {
  OPENSSL_cleanse(text.data(), text.capacity());
  text.clear();
}

Digest hmac_sha256(std::string_view key, std::initializer_list<std::string_view> message) {
  const Mac mac(EVP_MAC_CTX_dup(hmac_sha256_pattern()));
  require(mac != nullptr);
  // no pointer would mean: the key stays
  if (key.data() == nullptr) key = "";
  require(EVP_MAC_init(mac.get(), unsigned_data(key), key.size(), nullptr) == 1);
  for (const std::string_view part : message) {
    require(EVP_MAC_update(mac.get(), unsigned_data(part), part.size()) == 1);
  }
  Digest digest;
  std::size_t size = 0;
  require(EVP_MAC_final(mac.get(), digest.data(), &size, digest.size()) == 1);
  return digest;
}

Digest sha256(std::string_view message) {
  Digest digest;
  EVP_MD_CTX* const context = sha256_context();
  require(EVP_DigestInit_ex2(context, nullptr, nullptr) == 1 &&
          EVP_DigestUpdate(context, unsigned_data(message), message.size()) == 1 &&
          EVP_DigestFinal_ex(context, digest.data(), nullptr) == 1);
  return digest;
}

}  // namespace wearables
