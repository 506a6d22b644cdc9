#!/usr/bin/env bash
# dockerd on a machine without systemd and, maybe, without CAP_SYS_RESOURCE. stop ends only the one that start started.
. "$(dirname "$0")/../here.sh"
PID_FILE=$CACHE/dockerd.pid LOG=$CACHE/dockerd.log

start() {
  local options=(--storage-driver overlay2)
  mkdir -p /lib/modules   # kind mounts it into its nodes
  if ! (((0x$(awk '/^CapBnd/ {print $2}' /proc/self/status) >> 24) & 1)); then   # 24: CAP_SYS_RESOURCE
    install -m 755 "$HERE/bare-machine/runc-wrapper" "$CACHE/bin/runc-wrapper"
    options+=(--add-runtime "softened=$CACHE/bin/runc-wrapper" --default-runtime softened)
  fi
  FORGE_LOCKED='' setsid nohup dockerd "${options[@]}" >>"$LOG" 2>&1 </dev/null 9>&- &
  echo $! >"$PID_FILE"
  for _ in {1..60}; do docker info >/dev/null 2>&1 && return; sleep 0.5; done
  tail "$LOG"; return 1
}
is_ours() { [ -s "$PID_FILE" ] && [ "$(cat "/proc/$(<"$PID_FILE")/comm" 2>/dev/null)" = dockerd ]; }
stop() {
  kill "$(<"$PID_FILE")"
  for _ in {1..60}; do is_ours || break; sleep 0.5; done
  ! is_ours && rm -f "$PID_FILE"
}
case ${1:-} in
  start) is_ours || step "dockerd" start ;;
  stop) if is_ours && [ -z "$(docker ps -q)" ]; then step "dockerd stopped" stop; fi ;;
  *) echo "usage: $0 start|stop" >&2; exit 2 ;;
esac
