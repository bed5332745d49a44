package main

import (
	"context"
	"sync"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	server "github.com/envoyproxy/go-control-plane/pkg/server/v3"
)

// How many responses of each open stream wait for their answer: for the gate at the end of a run.
type account struct {
	mu      sync.Mutex
	pending map[int64]int
}

func newAccount() *account { return &account{pending: map[int64]int{}} }

func (a *account) add(id int64, by int) {
	a.mu.Lock()
	a.pending[id] += by
	a.mu.Unlock()
}

func (a *account) remove(id int64) {
	a.mu.Lock()
	delete(a.pending, id)
	a.mu.Unlock()
}

func (a *account) counts() (open, pending int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, waiting := range a.pending {
		pending += waiting
	}
	return len(a.pending), pending
}

func (a *account) callbacks() server.Callbacks {
	opened := func(_ context.Context, id int64, _ string) error {
		a.add(id, 0)
		return nil
	}
	closed := func(id int64, _ *core.Node) { a.remove(id) }
	return server.CallbackFuncs{
		StreamOpenFunc:        opened,
		StreamClosedFunc:      closed,
		DeltaStreamOpenFunc:   opened,
		DeltaStreamClosedFunc: closed,
		StreamRequestFunc: func(id int64, request *discovery.DiscoveryRequest) error {
			if request.GetResponseNonce() != "" {
				a.add(id, -1)
			}
			return nil
		},
		StreamDeltaRequestFunc: func(id int64, request *discovery.DeltaDiscoveryRequest) error {
			if request.GetResponseNonce() != "" {
				a.add(id, -1)
			}
			return nil
		},
		StreamResponseFunc: func(_ context.Context, id int64, _ *discovery.DiscoveryRequest, _ *discovery.DiscoveryResponse) {
			a.add(id, 1)
		},
		StreamDeltaResponseFunc: func(id int64, _ *discovery.DeltaDiscoveryRequest, _ *discovery.DeltaDiscoveryResponse) {
			a.add(id, 1)
		},
	}
}
