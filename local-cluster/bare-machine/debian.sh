#!/usr/bin/env bash
# debian.sh: prints the name of the Debian image that all others here start from, and makes it when it isn't there.
. "$(dirname "$0")/../here.sh"

AUTHORITIES=$(readlink -f "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}")
IMAGE=forge-local/debian:bookworm-$(python3 "$HERE/clone.py" key "$AUTHORITIES" "$0")
have_image() { docker image inspect "$1" >/dev/null 2>&1; }
make_image() {
  local context; context=$(mktemp -d)
  mmdebstrap --quiet --variant=minbase --include=ca-certificates bookworm - | docker import - forge-local/debian:plain
  cp "$AUTHORITIES" "$context/ca-certificates.crt"
  # what the machine trusts, so that package installers work where the machine's own authority signs
  cat >"$context/Dockerfile" <<-'EOF'
	FROM forge-local/debian:plain
	COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
	ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
	    REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt
	EOF
  docker build -q -t "$IMAGE" "$context"
  rm -rf "$context"
}
have_image "$IMAGE" || step "image debian:bookworm" make_image >&2
echo "$IMAGE"
