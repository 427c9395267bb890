// Reads a secret from where it lies. Nothing is kept: a file is opened and closed within one call, by descriptors that
// the server closes at an abort, and no lock is taken. The text is copied into the caller's memory context, and what a
// buffer of ours held of it is wiped. A cause names no content, and goes to the log alone.
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pg/server/boundary.h"
#include "pg/receive/secret.h"
#include "pg/server/settings.h"

extern "C" {
#include "storage/fd.h"
}

namespace wearables::pg {

namespace {

constexpr std::string_view kFile = "file:";
constexpr std::string_view kEnvironment = "env:";

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

const char* or_empty(const char* text) { return text == nullptr ? "" : text; }

const char* terminated(std::string_view text) { return pnstrdup(text.data(), text.size()); }

std::string_view copy(std::string_view text, MemoryContext context) {
  char* place = static_cast<char*>(MemoryContextAlloc(context, text.size() + 1));
  memcpy(place, text.data(), text.size());
  place[text.size()] = '\0';
  return {place, text.size()};
}

// Whether the path lies below the directory, by its letters; `..` never does.
bool is_below(std::string_view path, std::string_view directory) {
  while (directory.size() > 1 && directory.back() == '/') directory.remove_suffix(1);
  if (directory.empty() || directory.front() != '/') return false;
  if (!starts_with(path, directory) || path.size() <= directory.size() + 1) return false;
  if (path[directory.size()] != '/' && directory != "/") return false;
  for (std::string_view rest = path; !rest.empty();) {
    const size_t end = rest.find('/');
    if (rest.substr(0, end) == "..") return false;
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
  return true;
}

// Opened without blocking: a device or a pipe must not hold up whoever delivers.
bool read_file(std::string_view path, MemoryContext context, std::string_view* secret, const char** cause) {
  char directory[PATH_MAX];
  char resolved[PATH_MAX];
  const char* allowed = or_empty(settings().secret_directory);
  if (*allowed == '\0') {
    *cause = "wearables_ingest.secret_directory is not set";
    return false;
  }
  // links are followed, as a mount of secrets makes them, and must not lead out
  if (realpath(allowed, directory) == nullptr || realpath(terminated(path), resolved) == nullptr) {
    *cause = psprintf("its file cannot be found: %s", strerror(errno));
    return false;
  }
  if (!is_below(resolved, directory)) {
    *cause = "its file lies outside of wearables_ingest.secret_directory";
    return false;
  }
  const int file = OpenTransientFile(resolved, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) {
    *cause = psprintf("its file cannot be opened: %s", strerror(errno));
    return false;
  }
  struct stat status;
  char buffer[kMaxSecretBytes];
  ssize_t length = -1;
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    *cause = "its file is not a regular file";
  } else if (status.st_size > kMaxSecretBytes) {
    *cause = psprintf("its file is larger than %d bytes", kMaxSecretBytes);
  } else if ((length = read(file, buffer, sizeof buffer)) < 0) {
    *cause = psprintf("its file cannot be read: %s", strerror(errno));
  }
  CloseTransientFile(file);
  if (length < 0) return false;
  *secret = copy({buffer, static_cast<size_t>(length)}, context);
  explicit_bzero(buffer, sizeof buffer);
  return true;
}

bool read_environment(std::string_view name, MemoryContext context, std::string_view* secret, const char** cause) {
  const char* prefix = or_empty(settings().secret_env_prefix);
  if (*prefix == '\0' || !starts_with(name, prefix)) {
    *cause = "its variable does not begin with wearables_ingest.secret_env_prefix";
    return false;
  }
  const char* found = std::getenv(terminated(name));
  if (found == nullptr) {
    *cause = "its variable is not set for the server's process";
    return false;
  }
  *secret = copy(found, context);
  return true;
}

struct Weakness {
  bool any;
  char why[200];
};

Weakness weakness_of(const SignatureScheme& scheme, std::string_view secret) {
  return call_core([&scheme, secret]() -> Result<Weakness> {
    Weakness weakness{};
    const Result<Done> checked = scheme.check_secret(secret);
    weakness.any = !checked.ok();
    if (weakness.any) checked.error().message.copy(weakness.why, sizeof weakness.why - 1);
    return weakness;
  });
}

void check_file_value(std::string_view path) {
  const char* allowed = or_empty(settings().secret_directory);
  if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES)) {
    ereport(ERROR,
            (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied to use a server file as a secret"),
             errdetail("Only roles with privileges of pg_read_server_files may name a file.")));
  }
  if (*allowed == '\0') {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("secrets cannot be in files, because wearables_ingest.secret_directory is not set"),
                    errhint("Set wearables_ingest.secret_directory in the configuration file.")));
  }
  if (!is_below(path, allowed)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("the file of the secret is not below wearables_ingest.secret_directory"),
                    errdetail("The directory is \"%s\".", allowed),
                    errhint("Give an absolute path without \"..\", such as file:%s/webhook.", allowed)));
  }
}

void check_environment_value(std::string_view name) {
  const char* prefix = or_empty(settings().secret_env_prefix);
  if (*prefix == '\0') {
    ereport(
        ERROR,
        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
         errmsg("secrets cannot be in environment variables, because wearables_ingest.secret_env_prefix is not set"),
         errhint("Set wearables_ingest.secret_env_prefix in the configuration file.")));
  }
  if (!starts_with(name, prefix) || name.size() == strlen(prefix)) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("the name of the environment variable does not begin with wearables_ingest.secret_env_prefix"),
             errdetail("The prefix is \"%s\".", prefix), errhint("Give a name such as env:%sWEBHOOK.", prefix)));
  }
}

}  // namespace

void check_secret_value(const SignatureScheme& scheme, SecretKind kind, std::string_view value) {
  if (value.size() > kMaxSecretBytes) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a secret is longer than %d bytes", kMaxSecretBytes),
             errhint("Copy the secret from the vendor again.")));
  }
  if (starts_with(value, kFile)) return check_file_value(value.substr(kFile.size()));
  if (starts_with(value, kEnvironment)) return check_environment_value(value.substr(kEnvironment.size()));
  if (kind == SecretKind::kWebhook) {
    call_core([&scheme, value] { return scheme.check_secret(value); });
  } else if (value.empty()) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PASSWORD), errmsg("the secret is empty"),
                    errhint("Use NULL to remove a secret.")));
  }
}

bool read_secret(const SignatureScheme& scheme, SecretKind kind, std::string_view value, MemoryContext context,
                 std::string_view* secret, const char** cause) {
  if (starts_with(value, kFile)) {
    if (!read_file(value.substr(kFile.size()), context, secret, cause)) return false;
  } else if (starts_with(value, kEnvironment)) {
    if (!read_environment(value.substr(kEnvironment.size()), context, secret, cause)) return false;
  } else {
    *secret = copy(value, context);
    return true;
  }
  if (kind != SecretKind::kWebhook) return true;
  const Weakness weakness = weakness_of(scheme, *secret);
  if (weakness.any) *cause = pstrdup(weakness.why);
  return !weakness.any;
}

}  // namespace wearables::pg
