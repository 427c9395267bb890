// Stands in for libFuzzer: feeds the target every file that is named, and every file of a named
// folder. Fails when something named is missing, or nothing at all was fed.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

bool replay_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file.is_open() || file.bad()) return false;
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  return true;
}

// How many files were fed; 0 when one could not be read.
std::size_t replay(const fs::path& path) {
  std::error_code failure;
  if (fs::is_regular_file(path, failure)) return replay_file(path) ? 1 : 0;
  std::size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path, failure)) {
    if (!entry.is_regular_file()) continue;
    if (!replay_file(entry.path())) return 0;
    ++count;
  }
  return failure ? 0 : count;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s file-or-folder...\n", argv[0]);
    return 2;
  }
  for (int i = 1; i < argc; ++i) {
    const std::size_t count = replay(argv[i]);
    if (count == 0) {
      std::fprintf(stderr, "%s: missing, empty or not readable\n", argv[i]);
      return 1;
    }
    std::printf("%s: %zu inputs\n", argv[i], count);
  }
  return 0;
}
