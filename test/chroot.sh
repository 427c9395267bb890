# shellcheck shell=bash
# What sanitize and asserts share: a root of Debian 13, kept from run to run, and a way to run a script of the
# working tree in it. Sourced by bash scripts after test/lib.sh.
# SANITIZE_CACHE is where the root is kept, MIRROR where its packages come from.

suite=trixie
cache=${SANITIZE_CACHE:-/var/tmp/wearables-sanitize}
root=$cache/$suite

# again_as_root "$@": mounts and chroot are root's.
again_as_root() {
  [ "$(id -u)" = 0 ] || exec sudo --preserve-env "$0" "$@"
}

# Debian's mirror among the machine's own sources.
own_mirror() {
  apt-get update -qq >/dev/null 2>&1 || true
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' |
    awk '$1 !~ /-/ && $2 ~ /^https?:/ {print $2; exit}'
}

make_root() {
  mkdir -p "$cache"
  # one run at a time in one root; whoever comes second waits
  exec 9>"$cache/lock"
  flock 9
  if [ ! -f "$root/.complete" ]; then
    need debootstrap
    local mirror=${MIRROR:-$(own_mirror)}
    [ -n "$mirror" ] || die "no mirror of Debian among this machine's apt sources: give one as MIRROR"
    say "making a root of $suite in $root"
    rm -rf --one-file-system "$root"
    debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$cache/debootstrap.log" 2>&1 ||
      { tail -n 40 "$cache/debootstrap.log"; die "debootstrap failed"; }
    # nothing starts by itself on installation
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    touch "$root/.complete"
  fi
  # how this machine reaches the network may change
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  apt-config dump Acquire | grep -E '^Acquire::(https?::|Check-)' >"$root/etc/apt/apt.conf.d/99machine" || true
}

# The working tree as it stands, without what a build left in it.
copy_tree() {
  mkdir -p "$1"
  tar -C "${top:?}" --exclude=./.git --exclude='*.o' --exclude='*.d' --exclude='*.so' --exclude='*.bc' --exclude=node_modules \
    --exclude=./wearables_ingest--*.sql --exclude=./build --exclude=./results --exclude=./tmp_check --exclude=./output_iso \
    -cf - . | tar -C "$1" -xf - --no-same-owner
}

leave_root() {
  local status=$? first
  trap - EXIT
  # The first process inside takes all others with it when it dies, and its mounts; nothing is left to unmount.
  if [ -n "${inside:-}" ]; then
    read -r first <"/proc/$inside/task/$inside/children" || true
    [ -z "$first" ] || kill -KILL "$first" 2>/dev/null || true
    wait "$inside" 2>/dev/null || true
  fi
  if [ "$status" -ne 0 ] && [ -d "$scratch/logs" ]; then
    rm -rf "$cache/logs"
    mv "$scratch/logs" "$cache/logs"
    printf 'kept: %s\n' "$cache/logs"
  fi
  rm -rf --one-file-system "$scratch"
  exit "$status"
}

# in_root SECONDS SCRIPT [VARIABLE=VALUE...]: runs a script of the working tree's copy in the root, in namespaces of
# its own, for so long at most. Its /tmp is a folder that goes with the run.
in_root() {
  local limit=$1 script=$2 status=0
  shift 2
  scratch=$(mktemp -d "$cache/run.XXXXXX")
  chmod 1777 "$scratch"
  trap leave_root EXIT
  trap 'exit 130' INT TERM HUP
  copy_tree "$scratch/source"
  # shellcheck disable=SC2016
  nice unshare --mount --pid --fork --kill-child bash -ec '
    root=$1 scratch=$2 limit=$3
    shift 3
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --bind "$scratch" "$root/tmp"
    chroot "$root" timeout -k 10 "$limit" env -i "$@" && status=0 || status=$?
    [ "$status" != 124 ] || echo "not done after $limit s"
    exit "$status"' \
    bash "$root" "$scratch" "$limit" HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@" \
    bash "/tmp/source/$script" &
  inside=$!
  wait "$inside" || status=$?
  inside=
  return "$status"
}
