package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cache "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
)

// What holds the resources and takes the changes.
type store interface {
	cache() cache.Cache
	update(short string, k, seq int) error
	state() map[string]map[string]uint32
}

// One LinearCache a type: every proxy sees the same resources.
type linear struct {
	types map[string]*cache.LinearCache
	mux   *cache.MuxCache
}

func newLinear(set resourceSet) *linear {
	out := &linear{types: map[string]*cache.LinearCache{}}
	caches := map[string]cache.Cache{}
	for url, resources := range set {
		out.types[url] = cache.NewLinearCache(url, cache.WithInitialResources(resources))
		caches[url] = out.types[url]
	}
	out.mux = &cache.MuxCache{
		Classify:      func(request *cache.Request) string { return request.GetTypeUrl() },
		ClassifyDelta: func(request *cache.DeltaRequest) string { return request.GetTypeUrl() },
		Caches:        caches,
	}
	return out
}

func (l *linear) cache() cache.Cache { return l.mux }

func (l *linear) update(short string, k, seq int) error {
	of := l.types[typeURL(short)]
	old, ok := of.GetResources()[nameOf(k)]
	if !ok {
		return fmt.Errorf("no resource %s", nameOf(k))
	}
	next, err := changed(old, seq)
	if err != nil {
		return err
	}
	return of.UpdateResource(nameOf(k), next)
}

func (l *linear) state() map[string]map[string]uint32 {
	set := resourceSet{}
	for url, of := range l.types {
		set[url] = of.GetResources()
	}
	return hashes(set)
}

// One snapshot a node, as configuration that differs from node to node needs.
type snapshots struct {
	of    cache.SnapshotCache
	set   resourceSet
	nodes int
}

func newSnapshots(set resourceSet, nodes int) (*snapshots, error) {
	out := &snapshots{of: cache.NewSnapshotCache(false, cache.IDHash{}, nil), set: set, nodes: nodes}
	return out, out.publish("0")
}

func (s *snapshots) publish(version string) error {
	for node := range s.nodes {
		resources := map[string][]types.Resource{}
		for url, all := range s.set {
			for _, one := range all {
				resources[url] = append(resources[url], one)
			}
		}
		snapshot, err := cache.NewSnapshot(version, resources)
		if err != nil {
			return err
		}
		if err := s.of.SetSnapshot(context.Background(), fmt.Sprintf("proxy-%d", node), snapshot); err != nil {
			return err
		}
	}
	return nil
}

func (s *snapshots) cache() cache.Cache { return s.of }

func (s *snapshots) update(short string, k, seq int) error {
	next, err := changed(s.set[typeURL(short)][nameOf(k)], seq)
	if err != nil {
		return err
	}
	s.set[typeURL(short)][nameOf(k)] = next
	return s.publish(strconv.Itoa(seq))
}

func (s *snapshots) state() map[string]map[string]uint32 { return hashes(s.set) }
