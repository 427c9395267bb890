# shellcheck shell=bash disable=SC2154
# The convergence proof and the deadlock stress over a staged build. Sourced after test/lib.sh and stage.

start_convergence_server() {
  start_server convergence "wearables_ingest.databases = ''" "fsync = off" "deadlock_timeout = 10ms" "max_connections = 100" \
    "log_statement = none" "log_min_messages = warning" "log_min_error_statement = panic"
}

# No session may have been a victim, those whose error was caught and tried again included.
no_deadlock() {
  ! grep -A 12 'deadlock detected' "$area/convergence.log"
}

# prove ARGUMENT...: run.py, with a server that it may crash
prove() {
  as_server env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -u "$area/test/convergence/run.py" \
    --crash "'$bindir/pg_ctl' -D '$area/convergence' -l '$area/convergence.log' -w -s -m immediate restart" "$@" && no_deadlock
}

# interleave ARGUMENT...: needs a library with stop points
interleave() {
  as_server env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -u "$area/test/convergence/interleave.py" "$@" && no_deadlock
}

stress() {
  as_server env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -u "$area/test/convergence/stress.py" "$@" && no_deadlock
}
