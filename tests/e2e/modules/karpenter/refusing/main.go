// Karpenter with its KWOK provider, and with NodePools that have no capacity.
//
// The file that REFUSED_NODEPOOLS names lists them, one a line; it is read at every request for a node. A request for one
// of these gets the error that a cloud without capacity gives, so that Karpenter deletes its NodeClaim and says why in an
// Event. Unlike a cloud's own provider, this one does not remember the refusal: the next request is refused again.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	kwok "sigs.k8s.io/karpenter/kwok/cloudprovider"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/cloudprovider/overlay"
	"sigs.k8s.io/karpenter/pkg/controllers"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/operator"
)

type refusing struct {
	cloudprovider.CloudProvider
	file string
}

func (r refusing) Create(ctx context.Context, claim *v1.NodeClaim) (*v1.NodeClaim, error) {
	pool := claim.Labels[v1.NodePoolLabelKey]
	refused, err := os.ReadFile(r.file)
	if err == nil && slices.Contains(strings.Fields(string(refused)), pool) {
		return nil, cloudprovider.NewInsufficientCapacityError(fmt.Errorf("no capacity for NodePool %s", pool))
	}
	return r.CloudProvider.Create(ctx, claim)
}

func main() {
	ctx, op := operator.NewOperator()
	types, err := kwok.ConstructInstanceTypes(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	provider := refusing{kwok.NewCloudProvider(ctx, op.GetClient(), types), os.Getenv("REFUSED_NODEPOOLS")}
	decorated := overlay.Decorate(provider, op.GetClient(), op.InstanceTypeStore)
	cluster := state.NewCluster(op.Clock, op.GetClient(), decorated)
	all := controllers.NewControllers(
		ctx, op.Manager, op.Clock, op.GetClient(), op.EventRecorder, decorated, provider, cluster, op.InstanceTypeStore,
	)
	op.WithControllers(ctx, all...).Start(ctx)
}
