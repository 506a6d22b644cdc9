"""The internal port: runners claim attempts and store results; Prometheus and the kubelet look."""
