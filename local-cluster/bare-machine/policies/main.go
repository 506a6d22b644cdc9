// Network policies on a node of kind, judged by what kind's own network judges them by (kube-network-policies).
//
// That module has the first packet of each connection handed to it by a rule that not every kernel knows (nftables'
// queue). iptables' NFQUEUE is the same queue, and network-policies.service sets it for all pods. So nothing comes of
// the module's own attempt to set its rule, which it would repeat with each pod of its node: whenever rules go, and also
// when they are refused, the kernel drops what is in the queue. It is told that no pod is on its node, and tries once.
package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

const (
	kubeconfig = "/etc/kubernetes/kubelet.conf"
	queue      = 100 // as in queue-connections
	nowhere    = "-" // no node's name
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	objects := informers.NewSharedInformerFactory(client, 0)
	core := objects.Core().V1()
	policies, err := networkpolicy.NewController(client, objects.Networking().V1().NetworkPolicies(), core.Namespaces(), core.Pods(),
		nil, nil, nil, nil, networkpolicy.Config{QueueID: queue, FailOpen: true, NodeName: nowhere})
	if err != nil {
		return err
	}
	objects.Start(ctx.Done())
	return policies.Run(ctx)
}
