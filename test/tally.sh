# shellcheck shell=bash
# Counting what passed and what failed, and picking steps. Sourced by bash scripts that end in `total`.

passed=0
failed=0
skipped=()

# STEPS="a b" picks steps by name; without it all are wanted.
wants() { [ -z "${STEPS:-}" ] || [[ " $STEPS " == *" $1 "* ]]; }

# tally N M: N more passed, M more failed
tally() {
  passed=$((passed + $1))
  failed=$((failed + $2))
  printf -- '-- %s passed, %s failed\n' "$1" "$2"
}

# skip WHAT: it could not be tried here, and why. It counts as neither; the line above the total names it.
skip() {
  skipped+=("$1")
  printf -- '-- skipped: %s\n' "$1"
}

# one COMMAND...: it is one test
one() { if "$@"; then tally 1 0; else tally 0 1; fi; }

# suite COMMAND...: another script and its own total; one without a total is one test
suite() {
  local log status=0 good='' bad=''
  log=$(mktemp)
  say "$*"
  "$@" 2>&1 | tee "$log" || status=$?
  read -r good bad < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" | tail -n 1) || true
  mapfile -t -O ${#skipped[@]} skipped < <(sed -n 's/^-- skipped: //p' "$log")
  rm -f "$log"
  [ -n "$bad" ] || { good=$((status == 0)) bad=0; }
  # whatever ended it before its total was a failure
  if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
  tally "$good" "$bad"
}

# The last line, and whether it is a success. What was skipped stands above it: it is not done.
total() {
  local what
  if [ ${#skipped[@]} -gt 0 ]; then
    printf '\n%d skipped:\n' ${#skipped[@]}
    for what in "${skipped[@]}"; do printf -- '  %s\n' "$what"; done
  fi
  printf '\n%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
