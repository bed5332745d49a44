package main

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cache "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	resource "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Resources by type URL and name.
type resourceSet map[string]map[string]types.Resource

// The file: a byte for the type (0 endpoints, 1 clusters), four bytes of length, the encoded resource, and so on.
func readResources(path string) (resourceSet, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	set := resourceSet{resource.EndpointType: {}, resource.ClusterType: {}}
	for len(data) > 0 {
		size := int(binary.BigEndian.Uint32(data[1:5]))
		body := data[5 : 5+size]
		if data[0] == 0 {
			assignment := &endpoint.ClusterLoadAssignment{}
			if err := proto.Unmarshal(body, assignment); err != nil {
				return nil, err
			}
			set[resource.EndpointType][assignment.ClusterName] = assignment
		} else {
			one := &cluster.Cluster{}
			if err := proto.Unmarshal(body, one); err != nil {
				return nil, err
			}
			set[resource.ClusterType][one.Name] = one
		}
		data = data[5+size:]
	}
	return set, nil
}

// The change that our server's /update makes, made to the encoded message: the port of the first endpoint, or the
// connect timeout of the cluster.
func changed(old types.Resource, seq int) (types.Resource, error) {
	switch was := old.(type) {
	case *endpoint.ClusterLoadAssignment:
		next := proto.Clone(was).(*endpoint.ClusterLoadAssignment)
		address := next.Endpoints[0].LbEndpoints[0].GetEndpoint().GetAddress().GetSocketAddress()
		address.PortSpecifier = &core.SocketAddress_PortValue{PortValue: uint32(20000 + seq%40000)}
		return next, nil
	case *cluster.Cluster:
		next := proto.Clone(was).(*cluster.Cluster)
		next.ConnectTimeout = durationpb.New(time.Duration(1001+seq%8000) * time.Millisecond)
		return next, nil
	default:
		return nil, fmt.Errorf("no change is known for %T", old)
	}
}

func typeURL(short string) string {
	if short == "endpoints" {
		return resource.EndpointType
	}
	return resource.ClusterType
}

func nameOf(k int) string { return fmt.Sprintf("service-%d", k) }

// FNV-1a of the bytes a client must hold, by type URL and name.
func hashes(set resourceSet) map[string]map[string]uint32 {
	out := map[string]map[string]uint32{}
	for url, resources := range set {
		out[url] = map[string]uint32{}
		for name, one := range resources {
			bytes, err := cache.MarshalResource(one)
			if err != nil {
				continue
			}
			hash := fnv.New32a()
			_, _ = hash.Write(bytes)
			out[url][name] = hash.Sum32()
		}
	}
	return out
}
