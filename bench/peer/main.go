// The peer of the transport benchmark: go-control-plane's LinearCache (or SnapshotCache, one snapshot a node) behind
// grpc-go, holding the very resources that our server holds, with the same control endpoints. Loopback only.
// It ends when its lifetime is over, whoever started it.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	server "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

func main() {
	file := flag.String("resources", "", "file of encoded resources")
	nodes := flag.Int("nodes", 0, "so many snapshots, one a node, instead of one linear cache a type")
	port := flag.Int("port", 0, "xDS port; 0 takes a free one")
	cert := flag.String("cert", "", "PEM certificate; TLS if given")
	key := flag.String("key", "", "PEM key")
	lifetime := flag.Duration("lifetime", 30*time.Minute, "ends after so long")
	flag.Parse()

	resources, err := readResources(*file)
	if err != nil {
		log.Fatal(err)
	}
	var source store
	if *nodes > 0 {
		source, err = newSnapshots(resources, *nodes)
	} else {
		source = newLinear(resources)
	}
	if err != nil {
		log.Fatal(err)
	}

	options := []grpc.ServerOption{
		grpc.MaxConcurrentStreams(1000),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 15 * time.Second, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
	}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			log.Fatal(err)
		}
		config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true}
		options = append(options, grpc.Creds(credentials.NewTLS(config)))
	}
	account := newAccount()
	xds := grpc.NewServer(options...)
	discovery.RegisterAggregatedDiscoveryServiceServer(xds, server.NewServer(context.Background(), source.cache(), account.callbacks()))
	streams, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatal(err)
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	time.AfterFunc(*lifetime, func() { os.Exit(3) })
	go serveControl(control, source, account)
	fmt.Printf("{\"xds\":%d,\"control\":%d}\n", streams.Addr().(*net.TCPAddr).Port, control.Addr().(*net.TCPAddr).Port)
	log.Fatal(xds.Serve(streams))
}

func serveControl(listener net.Listener, source store, account *account) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /update", func(w http.ResponseWriter, r *http.Request) {
		var k, seq int
		fmt.Sscan(r.URL.Query().Get("k"), &k)
		fmt.Sscan(r.URL.Query().Get("seq"), &seq)
		if err := source.update(r.URL.Query().Get("type"), k, seq); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	mux.HandleFunc("GET /gc", func(http.ResponseWriter, *http.Request) {
		runtime.GC()
		debug.FreeOSMemory()
	})
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) {
		open, pending := account.counts()
		_ = json.NewEncoder(w).Encode(map[string]any{"resources": source.state(), "streams": open, "pending": pending})
	})
	log.Fatal(http.Serve(listener, mux))
}
