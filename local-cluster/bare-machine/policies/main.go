// Network policies on a node of kind, judged by what kind's own network judges them by (kube-network-policies).
//
// That module has the first packet of each connection handed to it by a rule that not every kernel knows (nftables'
// queue). iptables' NFQUEUE is the same queue, and network-policies.service sets it, so the module's own attempt
// to set its rule may fail here. It would tell of that with each pod; what it logs is therefore dropped.
package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

const (
	kubeconfig = "/etc/kubernetes/kubelet.conf"
	queue      = 100 // as in network-policies.service
)

func main() {
	klog.SetLogger(logr.Discard())
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
		nil, nil, nil, nil, networkpolicy.Config{QueueID: queue, FailOpen: true})
	if err != nil {
		return err
	}
	objects.Start(ctx.Done())
	return policies.Run(ctx)
}
