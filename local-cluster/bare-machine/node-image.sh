#!/usr/bin/env bash
# node-image.sh: prints the name of kind's node image, and makes it when it isn't there. All that is in it comes from
# Debian's packages, from Go modules, and from the module that the kind command itself comes from.
. "$(dirname "$0")/../here.sh"

FOLDER=$HERE/bare-machine
DEBIAN=$("$FOLDER/debian.sh")
KUBE=$("$FOLDER/kube.sh")
POLICIES=$("$FOLDER/policies.sh")
KEY=$(python3 "$HERE/clone.py" key "$FOLDER/node" "$FOLDER/pause" "$0" -- "$DEBIAN" "$KUBE" "$POLICIES" "$KIND" "$COREDNS" "$LOCAL_PATH")
IMAGE=forge-local/node:$KUBERNETES-$KEY

prepare() { # everything that the Dockerfile copies, in one folder
  mkdir -p "$CONTEXT/bin" "$CONTEXT/kind/manifests"
  cp -r "$FOLDER/node" "$CONTEXT/node"
  cp "$KUBE" "$CONTEXT/bin/kube"
  cp "$POLICIES" "$CONTEXT/bin/network-policies"
  cp "$CACHE/bin/coredns-$COREDNS" "$CONTEXT/bin/coredns"
  cp "$CACHE/bin/local-path-provisioner-$LOCAL_PATH" "$CONTEXT/bin/local-path-provisioner"
  (cd "$FOLDER/pause" && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$CONTEXT/bin/pause" .)
  ln -s "$KUBE" "$CONTEXT/kubeadm"
}
kind_files() { # what kind's own node image is made of
  local module
  GOFLAGS=-mod=mod go mod download "sigs.k8s.io/kind@$KIND"
  module=$(go env GOMODCACHE)/sigs.k8s.io/kind@$KIND
  cp -r "$module/images/base/files" "$CONTEXT/kind-files"; chmod -R u+w "$CONTEXT/kind-files"; rm -rf "$CONTEXT/kind-files/LICENSES"
  echo "$KUBERNETES" >"$CONTEXT/kind/version"
  # shellcheck disable=SC2016   # the backticks are Go's
  sed -n '/^const defaultStorageManifest = `/,/^`/p' "$module/pkg/build/nodeimage/const_storage.go" |
    sed -e '1d;$d' -e "s|\` + storageProvisionerImage + \`|forge-local/local-path:1|; s|\` + storageHelperImage + \`|forge-local/kube:1|" \
      >"$CONTEXT/kind/manifests/default-storage.yaml"
}
target() { docker build -q -f "$CONTEXT/node/Dockerfile" --build-arg DEBIAN="$DEBIAN" --target "$1" -t "$2" "$CONTEXT"; }
image_archive() { # the images that kubeadm wants, under the names that it calls them by
  local name image
  for name in kube coredns pause local-path; do target $name forge-local/$name:1; done
  for name in $("$CONTEXT/kubeadm" config images list --kubernetes-version "$KUBERNETES"); do
    case $name in */coredns:*) image=coredns ;; */pause:*) image=pause ;; *) image=kube ;; esac
    echo "forge-local/$image:1 $name"
  done >"$CONTEXT/kind/image-names"
  docker save -o "$CONTEXT/kind/images.tar" forge-local/{kube,coredns,pause,local-path}:1
}

if ! docker image inspect "$IMAGE" >/dev/null 2>&1; then
  "$HERE/tools.sh" coredns local-path-provisioner >&2
  CONTEXT=$(mktemp -d); trap 'rm -rf "$CONTEXT"' EXIT
  step "node image: programs" prepare >&2
  step "node image: kind's files" kind_files >&2
  step "node image: images inside" image_archive >&2
  step "node image" target node "$IMAGE" >&2
fi
echo "$IMAGE"
