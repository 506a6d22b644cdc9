# shellcheck shell=bash
# Where public images come from: "public" where an image registry answers, "built" where bare-machine/ makes them here.
# Found out once for each machine, so that a laptop that is offline for a day doesn't begin to build; FORGE_IMAGE_SOURCE overrules.
image_source() {
  local kept=$CACHE/image-source status
  if [ -n "${FORGE_IMAGE_SOURCE:-}" ]; then echo "$FORGE_IMAGE_SOURCE"; return; fi
  if [ ! -s "$kept" ]; then
    status=$(curl -s -o /dev/null --max-time 10 -w '%{http_code}' https://registry-1.docker.io/v2/ || true)
    case $status in 200 | 401) echo public >"$kept" ;; *) echo built >"$kept" ;; esac   # 401: it is there and asks who we are
  fi
  cat "$kept"
}
