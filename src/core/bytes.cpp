#include "core/bytes.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <new>

namespace wearables {
namespace {

constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // libcrypto counts in int

const unsigned char* unsigned_data(std::string_view bytes) noexcept {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

unsigned char* unsigned_data(std::string& bytes) noexcept {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

// The error queue belongs to the whole process: the server reads it after its own calls.
void require(const void* result) {
  if (result != nullptr) return;
  ERR_clear_error();
  throw std::bad_alloc();
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

Digest hmac_sha256(std::string_view key, std::string_view message) {
  if (key.size() > kMostBytes) throw std::bad_alloc();
  Digest digest;
  require(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), unsigned_data(message),
               message.size(), digest.data(), nullptr));
  return digest;
}

Digest sha256(std::string_view message) {
  Digest digest;
  require(SHA256(unsigned_data(message), message.size(), digest.data()));
  return digest;
}

}  // namespace wearables
