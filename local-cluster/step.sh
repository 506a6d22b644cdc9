# shellcheck shell=bash
# step WHAT COMMAND...: runs it quietly and prints the seconds it took; its output is shown only when it fails.
step() {
  local what=$1 start=${EPOCHREALTIME/[.,]/} log status took; shift
  log=$(mktemp)
  # a subshell outside of any condition: in an `if`, bash would pass over a failing command in the middle of a function
  set +e; (set -e; "$@") >"$log" 2>&1; status=$?; set -e
  if [ $status != 0 ]; then cat "$log" >&2; echo "failed: $what" >&2; rm -f "$log"; exit 1; fi
  rm -f "$log"
  took=$(((${EPOCHREALTIME/[.,]/} - start) / 100000))
  printf '%5d.%ds  %s\n' $((took / 10)) $((took % 10)) "$what"
}
