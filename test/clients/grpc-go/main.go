// A program with grpc-go and its xDS support, driven by the tests over HTTP: it calls what it is told to call and says
// who answered. It knows nothing of the control plane but what GRPC_XDS_BOOTSTRAP_CONFIG says.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/xds"
)

type command struct {
	Do         string            `json:"do"`
	Target     string            `json:"target"`
	Method     string            `json:"method"`
	Headers    map[string]string `json:"headers"`
	Count      int               `json:"count"`
	DeadlineMs int               `json:"deadlineMs"`
	// Of a new channel; 0: the library's own.
	IdleMs  int    `json:"idleMs"`
	Address string `json:"address"`
	Name    string `json:"name"`
}

type answer struct {
	Seen   map[string]int `json:"seen"`
	Failed map[string]int `json:"failed"`
	Last   string         `json:"last"`
}

// raw hands bytes through, so that no message type is needed.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
func (raw) Name() string                       { return "raw" }

var (
	mutex    sync.Mutex
	channels = map[string]*grpc.ClientConn{}
	servers  []*xds.GRPCServer
)

func channel(c command) (*grpc.ClientConn, error) {
	mutex.Lock()
	defer mutex.Unlock()
	if known, ok := channels[c.Target]; ok {
		return known, nil
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})),
	}
	if c.IdleMs > 0 {
		options = append(options, grpc.WithIdleTimeout(time.Duration(c.IdleMs)*time.Millisecond))
	}
	made, err := grpc.NewClient(c.Target, options...)
	if err == nil {
		channels[c.Target] = made
	}
	return made, err
}

// What a call fails with that the library has decided where to send, by rules that its balancer has not been told of yet:
// clientconn.go applies the new config selector before it updates the balancer. Such a call has not left the program.
const unsent = "unknown cluster selected for RPC"

// invoke makes one call, again while the library is between its rules and its balancer, until the call's deadline.
func invoke(ctx context.Context, to *grpc.ClientConn, method string, request, response *[]byte) error {
	for {
		err := to.Invoke(ctx, method, request, response)
		if err == nil || !strings.Contains(err.Error(), unsent) || ctx.Err() != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

func call(c command) (*answer, error) {
	to, err := channel(c)
	if err != nil {
		return nil, err
	}
	result := &answer{Seen: map[string]int{}, Failed: map[string]int{}}
	for range c.Count {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(c.DeadlineMs)*time.Millisecond)
		ctx = metadata.NewOutgoingContext(ctx, metadata.New(c.Headers))
		request, response := []byte{}, []byte{}
		if err := invoke(ctx, to, c.Method, &request, &response); err != nil {
			result.Failed[fmt.Sprint(uint32(status.Code(err)))]++
			result.Last = err.Error()
		} else {
			result.Seen[string(response)]++
		}
		cancel()
	}
	return result, nil
}

func serve(c command) error {
	listener, err := net.Listen("tcp", c.Address)
	if err != nil {
		return err
	}
	answerAll := func(_ any, stream grpc.ServerStream) error {
		message := []byte{}
		if err := stream.RecvMsg(&message); err != nil {
			return err
		}
		name := []byte(c.Name)
		return stream.SendMsg(&name)
	}
	server, err := xds.NewGRPCServer(grpc.ForceServerCodec(raw{}), grpc.UnknownServiceHandler(answerAll))
	if err != nil {
		return err
	}
	servers = append(servers, server)
	go server.Serve(listener)
	return nil
}

func do(c command) (*answer, error) {
	switch c.Do {
	case "call":
		return call(c)
	case "close":
		mutex.Lock()
		defer mutex.Unlock()
		if known, ok := channels[c.Target]; ok {
			delete(channels, c.Target)
			return &answer{}, known.Close()
		}
		return &answer{}, nil
	case "serve":
		return &answer{}, serve(c)
	}
	return nil, fmt.Errorf("unknown command %q", c.Do)
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("control %d\n", listener.Addr().(*net.TCPAddr).Port)
	http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var c command
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		result, err := do(c)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		json.NewEncoder(w).Encode(result)
	}))
}
