# What demo, test and bench share: packages, a staged copy of the build, a throwaway server.
# Sourced by bash scripts. Everything made lives in one folder under TMPDIR and goes with the script.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '\n== %s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# need PACKAGE...: installs those that are missing, and says so.
need() {
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  command -v apt-get >/dev/null || die "please install: ${missing[*]}"
  say "installing ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive sh -c '
    (apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@") >/tmp/wearables-apt.$$ 2>&1 ||
    { cat /tmp/wearables-apt.$$; exit 1; }; rm -f /tmp/wearables-apt.$$' sh "${missing[@]}"
}

# The server that is built for: that of PG_CONFIG, else the distribution's own.
need_server() {
  need ca-certificates g++ make pkg-config libsimdjson-dev libssl-dev
  if ! command -v "${PG_CONFIG:-pg_config}" >/dev/null || [ ! -f "$("${PG_CONFIG:-pg_config}" --pgxs)" ]; then
    local wanted
    wanted=$(apt_major) || die "no PostgreSQL 15 to 18 among this machine's packages"
    need "postgresql-$wanted" "postgresql-server-dev-$wanted"
    PG_CONFIG=/usr/lib/postgresql/$wanted/bin/pg_config
  fi
  export PG_CONFIG=${PG_CONFIG:-pg_config}
  bindir=$("$PG_CONFIG" --bindir)
  major=$("$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
  [ -x "$bindir/initdb" ] || need "postgresql-$major"
}

apt_major() {
  local candidate
  as_root apt-get update -qq >/dev/null 2>&1 || true
  for candidate in 15 16 17 18; do
    if apt-cache show "postgresql-server-dev-$candidate" >/dev/null 2>&1; then echo "$candidate"; return 0; fi
  done
  return 1
}

# PostgreSQL refuses root: root's part is done as user postgres, anybody else's as themselves.
server_user() { if [ "$(id -u)" = 0 ]; then echo postgres; else id -un; fi; }
as_server() {
  if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

# stage: builds, installs into $area/dest, copies the tests beside it, where the server's user can read them.
stage() {
  area=$(mktemp -d "${TMPDIR:-/tmp}/wearables.XXXXXX")
  chmod 755 "$area"
  trap cleanup EXIT
  say "building the extension for PostgreSQL $major"
  make -C "$top" -s -j"$(nproc)" PG_CONFIG="$PG_CONFIG" ${WERROR:+WERROR="$WERROR"} all >"$area/build.log" 2>&1 ||
    { cat "$area/build.log"; die "the build failed"; }
  make -C "$top" -s PG_CONFIG="$PG_CONFIG" install DESTDIR="$area/dest" >>"$area/build.log" 2>&1 ||
    { cat "$area/build.log"; die "the installation failed"; }
  cp -r "$top/sql" "$top/expected" "$top/test" "$top/README.md" "$area/"
  mkdir -p "$area/out"
  [ "$(id -u)" = 0 ] && chown -R postgres "$area"
  export WEARABLES_CONF
  WEARABLES_CONF=$(server_conf)
}

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

# start_server NAME [CONF-LINE...]: a cluster in $area/NAME, reached through its socket alone.
start_server() {
  local name=$1
  shift
  export PGHOST=$area/$name.sock PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
  as_server mkdir -p "$PGHOST"
  as_server "$bindir/initdb" -D "$area/$name" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$area/initdb.log" 2>&1 ||
    { cat "$area/initdb.log"; die "initdb failed"; }
  {
    printf '%s\n' "$WEARABLES_CONF" "listen_addresses = ''" "unix_socket_directories = '$PGHOST'" "port = 5432" "$@"
  } | as_server tee -a "$area/$name/postgresql.conf" >/dev/null
  as_server "$bindir/pg_ctl" -D "$area/$name" -l "$area/$name.log" -w -s start ||
    { cat "$area/$name.log"; die "the server did not start"; }
}

cleanup() {
  local status=$? data
  for data in "$area"/*/postmaster.pid; do
    [ -f "$data" ] && as_server "$bindir/pg_ctl" -D "$(dirname "$data")" -m immediate -s stop || true
  done
  if [ "$status" -ne 0 ] && [ -n "${KEEP_AREA:-}" ]; then
    printf 'kept: %s\n' "$area"
  else
    rm -rf "$area"
  fi
  return "$status"
}
