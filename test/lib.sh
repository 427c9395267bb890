# shellcheck shell=bash
# What demo, test and bench share: packages, a staged copy of the build, a throwaway server.
# Sourced by bash scripts. Everything made lives in one folder under TMPDIR and goes with the script.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The caller's settings must not reach programs whose words are compared, nor servers of ours.
# A plain su leaves root without sbin, where runuser and what dpkg calls are.
umask 022
export LC_ALL=C.UTF-8 PATH=$PATH:/usr/sbin:/sbin
for variable in LANGUAGE "${!PG@}"; do
  [ "$variable" = PG_CONFIG ] || unset "$variable"
done

say() { printf '\n== %s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Says nothing unless it fails, asks nothing, and waits while the machine updates itself.
apt_get() {
  local log
  log=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" 2>&1 </dev/null) ||
    { printf '%s\n' "$log" >&2; return 1; }
}

# Once per run. A repository that cannot be reached is shown; it need not be one that we install from.
apt_update() {
  [ -n "${apt_updated:-}" ] || apt_get update || true
  apt_updated=1
}

# need PACKAGE...: installs those that are missing, and says so.
need() {
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  command -v apt-get >/dev/null || die "please install: ${missing[*]}"
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null || die "there is no sudo; please install as root: ${missing[*]}"
  say "installing ${missing[*]}"
  apt_update
  apt_get install -y --no-install-recommends "${missing[@]}" || die "could not install ${missing[*]}"
}

supported="15 16 17 18"

# The server that is built for: that of PG_CONFIG if it is given, else one that is there, else one that packages complete.
# Sets PG_CONFIG, bindir and major.
need_server() {
  local why
  if [ -n "${PG_CONFIG:-}" ]; then
    why=$(unusable "$PG_CONFIG")
    [ -z "$why" ] || die "PG_CONFIG=$PG_CONFIG cannot be used: $why." "Mend that, name another, or leave PG_CONFIG unset."
  fi
  need ca-certificates g++ make pkg-config libsimdjson-dev libssl-dev libcurl4-openssl-dev
  [ -n "${PG_CONFIG:-}" ] || PG_CONFIG=$(usable_pg_config)
  if [ -z "$PG_CONFIG" ]; then
    command -v apt-get >/dev/null || die "please install PostgreSQL with its server headers, one of $supported"
    apt_update
    major=$(major_to_install) || die "this machine's packages have no PostgreSQL of $supported"
    need "postgresql-$major" "postgresql-server-dev-$major"
    PG_CONFIG=/usr/lib/postgresql/$major/bin/pg_config
    why=$(unusable "$PG_CONFIG")
    [ -z "$why" ] || die "$PG_CONFIG cannot be used: $why"
  fi
  export PG_CONFIG
  bindir=$("$PG_CONFIG" --bindir)
  major=$(major_of "$PG_CONFIG")
}

major_of() { "$1" --version 2>/dev/null | sed -n 's/^PostgreSQL \([0-9]*\).*/\1/p'; }

# unusable PG_CONFIG: says why its installation cannot be used, and nothing if it can. Debian's client and libpq-dev
# come with a pg_config and with PGXS, so neither tells whether the headers or the server are there.
unusable() {
  local major bindir headers
  major=$(major_of "$1")
  if [ -z "$major" ]; then echo "it does not run"; return; fi
  bindir=$("$1" --bindir)
  headers=$("$1" --includedir-server)
  if [[ " $supported " != *" $major "* ]]; then
    echo "it is of PostgreSQL $major, supported are $supported"
  elif [ ! -f "$headers/postgres.h" ]; then
    echo "$headers/postgres.h is missing (Debian's package is postgresql-server-dev-$major)"
  elif [ ! -f "$("$1" --pgxs)" ]; then
    echo "$("$1" --pgxs) is missing (Debian's package is postgresql-server-dev-$major)"
  elif ! as_server "$bindir/initdb" --version >/dev/null 2>&1; then
    echo "$bindir/initdb is missing, or user $(server_user) cannot run it (Debian's package is postgresql-$major)"
  elif [ "$major" -lt 18 ] && ! as_server "$bindir/postgres" --describe-config | grep '^extension_destdir' >/dev/null; then
    echo "before 18, only Debian's build takes an extension from elsewhere than its own folder, which stays untouched"
  fi
}

# The first that can be used: of PATH, else of Debian's packages, newest first. Says what is wrong with PATH's own.
usable_pg_config() {
  local config why candidates
  mapfile -t candidates < <(type -ap pg_config; printf '%s\n' /usr/lib/postgresql/*/bin/pg_config | sort -Vr)
  for config in "${candidates[@]}"; do
    why=$(unusable "$config")
    if [ -z "$why" ]; then echo "$config"; return; fi
    [ "$config" != "$(type -p pg_config)" ] || printf 'not used: %s: %s\n' "$config" "$why" >&2
  done
}

# The major of a server that is there, else of headers, else the distribution's own; packages must be at hand for it.
major_to_install() {
  local major package
  for major in $(majors_of /usr/lib/postgresql/*/bin/initdb) $(majors_of /usr/include/postgresql/*/server/postgres.h) \
    $(apt-cache show --no-all-versions postgresql 2>/dev/null | sed -n 's/^Depends:.*postgresql-\([0-9][0-9]*\).*/\1/p') $supported; do
    [[ " $supported " == *" $major "* ]] || continue
    for package in "postgresql-$major" "postgresql-server-dev-$major"; do
      apt-cache policy "$package" 2>/dev/null | grep 'Candidate: [0-9]' >/dev/null || continue 2
    done
    echo "$major"
    return
  done
  return 1
}

majors_of() { printf '%s\n' "$@" | sed -n 's:^[^0-9]*/\([0-9]*\)/.*:\1:p' | sort -nr; }

# PostgreSQL refuses root: root's part is done as user postgres, anybody else's as themselves.
server_user() { if [ "$(id -u)" = 0 ]; then echo postgres; else id -un; fi; }
as_server() {
  # root's clone may lie in a folder that postgres cannot enter
  if [ "$(id -u)" = 0 ]; then (cd "${area:-/}" && runuser -u postgres -- "$@"); else "$@"; fi
}

# A folder that the server's user can write to and load libraries from, in TMPDIR if that is such a place: one's own TMPDIR may
# be closed to user postgres, /tmp may be mounted noexec. The path of a socket in it must not exceed 107 bytes.
make_area() {
  local base
  for base in "${TMPDIR:-/tmp}" /tmp /var/tmp; do
    area=$(mktemp -d "$base/wearables.XXXXXX" 2>/dev/null) || continue
    trap cleanup EXIT
    chmod 755 "$area"
    chown "$(server_user)" "$area"
    if [ ${#area} -le 70 ] && as_server cp /bin/true "$area/" 2>/dev/null && as_server "$area/true" 2>/dev/null; then
      rm "$area/true"
      export TMPDIR=$base
      return
    fi
    rm -rf "$area"
  done
  die "user $(server_user) needs a folder to write to and run programs from; set TMPDIR to one, with a short path"
}

# stage: builds, installs into $area/dest, copies the tests beside it, where the server's user can read them.
stage() {
  stage_tests
  say "building the extension for PostgreSQL $major"
  build_folder plain
  make_extension "$area/build.log"
  unlock_build
  give_to_server
}

# stage_stop_points: the same with stop points (src/pg/server/stop_point.h), in its place if it is there. The first time it begins
# with what was built without, of which only what holds some is built again. Their names stand in $area/stop_points.list, but not those of jobs that are tests themselves.
stage_stop_points() {
  local plain
  stage_tests
  say "building the extension with stop points"
  build_folder plain
  plain=$build
  unlock_build
  build_folder stop_points
  if [ ! -e "$build/wearables_ingest.so" ] && [ -e "$plain/wearables_ingest.so" ]; then
    (flock 9 && cp -a "$plain/." "$build/") 9>"$plain.lock"
    rm -f "$build"/*.so
    grep -rl --include='*.cpp' stop_point "$build/src" | xargs touch
  fi
  make_extension "$area/stop_points.log" STOP_POINTS=1
  grep -rho 'stop_point("[^"]*")' "$build/src" | cut -d '"' -f 2 | grep -v '^test ' | sort -u >"$area/stop_points.list"
  unlock_build
  give_to_server
}

# Once per run.
stage_tests() {
  [ -z "${staged:-}" ] || return 0
  staged=1
  make_area
  forget_old_builds
  cp -r "$top/sql" "$top/expected" "$top/test" "$top/README.md" "$area/"
  mkdir -p "$area/src"
  cp -r "$top/src/manual" "$top/src/grafana" "$area/src/"
  mkdir -p "$area/out"
  give_to_server
  export WEARABLES_CONF
  WEARABLES_CONF=$(server_conf)
}

give_to_server() { [ "$(id -u)" != 0 ] || chown -R "$(server_user)" "$area"; }

# The settings with which a server finds the staged build. Nothing of the machine's own server is touched.
server_conf() {
  local lib
  lib=$area/dest$("$PG_CONFIG" --pkglibdir)
  if [ "$major" -ge 18 ]; then
    printf "extension_control_path = '%s:\$system'\n" "$area/dest$("$PG_CONFIG" --sharedir)"
  else
    printf "extension_destdir = '%s'\n" "$area/dest"
  fi
  printf "dynamic_library_path = '%s:\$libdir'\n" "$lib"
  printf "shared_preload_libraries = 'wearables_ingest'\n"
}

# start_server NAME [CONF-LINE...]: a cluster in $area/NAME, reached through its socket alone. Fails with its reason.
# SERVER_UNDER is put before what starts it: VARIABLE=VALUE words, then a command such as prlimit.
start_server() {
  local name=$1
  shift
  export PGHOST=$area/$name.sock PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
  as_server mkdir -p "$PGHOST"
  as_server "$bindir/initdb" -D "$area/$name" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$area/initdb.log" 2>&1 ||
    { cat "$area/initdb.log"; echo "initdb failed" >&2; return 1; }
  {
    printf '%s\n' "$WEARABLES_CONF" "listen_addresses = ''" "unix_socket_directories = '$PGHOST'" "port = 5432" "$@"
  } | as_server tee -a "$area/$name/postgresql.conf" >/dev/null
  # shellcheck disable=SC2086
  as_server env ${SERVER_UNDER:-} "$bindir/pg_ctl" -D "$area/$name" -l "$area/$name.log" -w -s start ||
    { cat "$area/$name.log"; echo "the server did not start" >&2; return 1; }
}

# What the program wearables-archive needs, an S3 of its own and a reader that is not ours; from PyPI, without which their
# tests and their line of the bench are skipped. Sets archive_python, or in no_archive_python why not.
archive_packages() {
  [ -z "${archive_python:-}${no_archive_python:-}" ] || return 0
  need python3-venv
  if /usr/bin/python3 -m venv "$area/archive" >"$area/archive.log" 2>&1 &&
    "$area/archive/bin/pip" install --quiet --disable-pip-version-check 'pyarrow>=20' 'psycopg[binary]>=3.2' 'duckdb>=1.2' \
      'moto[s3]>=5' flask flask-cors >>"$area/archive.log" 2>&1; then
    archive_python=$area/archive/bin/python
    chmod -R a+rX "$area/archive"
  else
    no_archive_python="PyPI has not delivered pyarrow, psycopg, duckdb and moto"
    tail -n 3 "$area/archive.log"
  fi
}

cleanup() {
  local status=$? data
  for data in "$area"/*/postmaster.pid; do
    [ ! -f "$data" ] || as_server "$bindir/pg_ctl" -D "$(dirname "$data")" -m immediate -s stop || true
  done
  # KEEP_LOGS=DIR: whoever runs this looks through them
  [ -z "${KEEP_LOGS:-}" ] || find "$area" -name '*.log' -exec cp --backup=numbered -t "$KEEP_LOGS" {} + || true
  if [ "$status" -ne 0 ] && [ -n "${KEEP_AREA:-}" ]; then
    printf 'kept: %s\n' "$area"
  else
    rm -rf "$area"
  fi
  return "$status"
}

. "$top/test/cache.sh"
