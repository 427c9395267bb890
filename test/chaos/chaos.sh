# shellcheck shell=bash disable=SC2154
# Chaos over a staged build with stop points. Sourced after test/lib.sh, stage and stage_stop_points.

# chaos ARGUMENT...: chaos.py, which has its own server, with two small disks of its own where they can be mounted: by root,
# or by anybody in a namespace of their own. The mounts are seen by these processes alone, and go with the last of them.
chaos() {
  local small=$area/small apart=(unshare --mount) become=(runuser -u postgres --)
  [ "$(id -u)" = 0 ] || { apart=(unshare --mount --map-current-user --keep-caps) become=(); }
  mkdir -p "$small/wal" "$small/data"
  set -- env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -u "$area/test/chaos/chaos.py" --data "$area/chaos" --bindir "$bindir" \
    --conf "$WEARABLES_CONF" --stop-points "$area/stop_points.list" "$@"
  # shellcheck disable=SC2016
  local mount='for disk in wal data; do mount -t tmpfs -o size=48m,mode=1777 tmpfs "$0/$disk" || exit; done; cd "${0%/*}" && exec "$@"'
  if "${apart[@]}" sh -c "$mount" "$small" true 2>/dev/null; then
    "${apart[@]}" sh -c "$mount" "$small" "${become[@]}" "$@" --small "$small"
  else
    echo "no disk can be mounted here: a full one is a limit on the length of files"
    as_server "$@"
  fi
}
