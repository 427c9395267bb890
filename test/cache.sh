# shellcheck shell=bash disable=SC2154
# What is kept between runs: builds, and tools of PyPI. Sourced by test/lib.sh.
# WEARABLES_CACHE=DIR is another place for it; deleting it costs a cold build and nothing else. With CI=1 no build is kept.

keep_days=30

# The folder of whoever runs this: what root made in a user's, as after `sudo -E`, the user could not replace.
cache_root() {
  local home
  home=$(getent passwd "$(id -u)" | cut -d : -f 6)
  if [ -n "${WEARABLES_CACHE:-}" ]; then
    echo "$WEARABLES_CACHE"
  elif [ -n "${XDG_CACHE_HOME:-}" ] && [ -O "$XDG_CACHE_HOME" ]; then
    echo "$XDG_CACHE_HOME/wearables_ingest"
  else
    echo "${home:-/nonexistent}/.cache/wearables_ingest"
  fi
}

# cache_folder NAME: makes it, and says where it is. Where nothing can be kept or run, $area does for this run.
cache_folder() {
  local folder
  folder=$(cache_root)/$1
  if mkdir -p "$folder" 2>/dev/null && cp /bin/true "$folder/runs" 2>/dev/null && "$folder/runs" 2>/dev/null; then
    touch "$folder"
  else
    folder=$area/cache/$1
    mkdir -p "$folder"
  fi
  echo "$folder"
}

# pypi_tool PACKAGE==VERSION PROGRAM: sets `tool` to the program, in a virtual environment that is kept. Fails without PyPI.
pypi_tool() {
  local venv
  need python3 python3-venv
  venv=$(cache_folder "${1/==/-}")
  tool=$venv/bin/$2
  (
    flock 9
    "$tool" --version >/dev/null 2>&1 && exit
    python3 -m venv --clear "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check --retries 1 "$1"
  ) 9>"$venv.lock" 2>&1
}

# ---- builds: a copy of the sources with what was made of them, one for each checkout, compiler, server and set of flags

# What two builds may not share. Packages stand for headers of the system, which make does not watch.
build_key() {
  local variable
  printf '%s\n' "$top" "$(id -u)" "$@" "$(uname -m)"
  for variable in CC CXX CFLAGS CXXFLAGS CPPFLAGS LDFLAGS COPT PG_CFLAGS PG_CXXFLAGS PG_CPPFLAGS SANITIZE ASSERTS WERROR; do
    printf '%s=%s\n' "$variable" "${!variable:-}"
  done
  "${CXX:-g++}" --version | head -n 1
  "$PG_CONFIG"
  dpkg-query -W 'libsimdjson*' 'libssl*' 'libgtest*' 'libgmock*' 'postgresql-server-dev-*' 2>/dev/null || true
}

# build_folder NAME [FLAG...]: sets `build` to the folder of that build, and keeps other runs away from it until unlock_build.
build_folder() {
  local name=$1 key
  key=$(build_key "$@" | sha256sum)
  name=build-${key::16}-$name
  if [ -n "${CI:-}" ]; then
    build=$area/$name
    mkdir -p "$build"
  else
    build=$(cache_folder "$name")
  fi
  exec 8>"$build.lock"
  flock 8
  copy_sources "$build"
}

unlock_build() { exec 8>&-; }

# A file is copied if its content differs: times say nothing after a change of branches. What is gone here goes there, too,
# and what is linked or joined of many files is made anew whenever a file comes or goes.
copy_sources() {
  local folder=$1 file here there
  # compilers that were killed may have left halves of files: the newest
  if [ -e "$folder/unfinished" ]; then
    find "$folder" -newer "$folder/unfinished" \( -name '*.o' -o -name '*.a' -o -name '*.so' \) -printf '%T@ %p\n' |
      sort -rn | head -n $((2 * $(nproc))) | cut -d ' ' -f 2- | xargs -r -d '\n' rm -f
  fi
  touch "$folder/unfinished"
  here=$folder/sources.here there=$folder/sources.there
  sums_of "$top" >"$here"
  sums_of "$folder" >"$there"
  # flags may stand in it
  if ! grep -xF "$(grep ' Makefile$' "$here")" "$there" >/dev/null; then find "$folder" -name '*.o' -delete; fi
  if ! cmp -s <(cut -c 67- "$here") <(cut -c 67- "$there"); then
    comm -13 <(cut -c 67- "$here" | sort) <(cut -c 67- "$there" | sort) | while IFS= read -r file; do
      rm -f "$folder/$file" "$folder/${file%.cpp}.o"
    done
    rm -f "$folder"/*.so "$folder"/wearables_ingest--*.sql
  fi
  comm -23 <(sort "$here") <(sort "$there") | cut -c 67- | while IFS= read -r file; do
    [[ "$file" != */* ]] || mkdir -p "$folder/${file%/*}"
    cp "$top/$file" "$folder/$file"
  done
}

# Checksum and path of each source in a folder, if it has any: a new folder has none.
sums_of() {
  (cd "$1" && { find Makefile CMakeLists.txt wearables_ingest.control src test -type f \
    ! -name '*.o' ! -name '*.d' ! -name '*.pyc' -print0 2>/dev/null || true; } | sort -z | xargs -0 -r sha256sum)
}

# make_extension LOG [MAKE-ARGUMENT...]: builds in `build`, installs into $area/dest.
make_extension() {
  local log=$1
  shift
  make -C "$build" -s -j"$(nproc)" PG_CONFIG="$PG_CONFIG" ${WERROR:+WERROR="$WERROR"} "$@" all >"$log" 2>&1 ||
    { cat "$log"; die "the build failed"; }
  rm -f "$build/unfinished"
  make -C "$build" -s PG_CONFIG="$PG_CONFIG" "$@" install DESTDIR="$area/dest" >>"$log" 2>&1 ||
    { cat "$log"; die "the installation failed"; }
}

# make_core NAME LOG [CMAKE-ARGUMENT...]: builds the core and its tests in `build`/core, and keeps the lock if that succeeds.
make_core() {
  local name=$1 log=$2
  shift 2
  build_folder "$name" "$@"
  { cmake -S "$build" -B "$build/core" "$@" && cmake --build "$build/core" -j"$(nproc)" ${target:+--target "$target"}; } \
    >"$log" 2>&1 || { unlock_build; return 1; }
  rm -f "$build/unfinished"
}

# Builds that nobody has asked for in a while: of checkouts that are gone, of servers that were upgraded.
forget_old_builds() {
  local folder
  [ -d "$(cache_root)" ] || return 0
  find "$(cache_root)" -mindepth 1 -maxdepth 1 -type d -name 'build-*' -mtime +$keep_days 2>/dev/null | while IFS= read -r folder; do
    # shellcheck disable=SC2094
    (flock -n 8 && rm -rf "$folder") 8>"$folder.lock" || true
  done
}
