// A worker in Go: reports this machine and a metric of its own to a Pulselane master.
//
//	go run ./worker -master 127.0.0.1:50051 -id go-1 -group rack-1 -label team=render
//
// It registers, streams heartbeats at the interval that the master asks for, tells what the master refuses, connects
// anew with a growing wait when the master is lost, and says farewell on SIGTERM or Ctrl-C. Put measurements of your own
// into metrics and tasks.
package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	mathrand "math/rand"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "pulselane/v1"
)

const (
	firstInterval  = 5 * time.Second // until the master names another one
	registerWithin = 10 * time.Second
	firstBackoff   = 500 * time.Millisecond
	longestBackoff = 10 * time.Second
	farewellWithin = 2 * time.Second
	mostReasons    = 16 // that are printed
)

var (
	startedAt = time.Now()
	numbers   = regexp.MustCompile(`\d+`)
)

// metrics are numbers of your own, by name. They are shown beside the worker and in its history.
func metrics() map[string]float64 {
	processes, _ := filepath.Glob("/proc/[0-9]*")
	return map[string]float64{"goroutines": float64(runtime.NumGoroutine()), "processes": float64(len(processes))}
}

// tasks are what the worker runs at the moment.
func tasks() []*pb.RunningTask {
	return []*pb.RunningTask{{
		TaskId:          "example-task",
		CpuAllocated:    0.5,  // cores
		MemoryAllocated: 0.25, // GiB
		Status:          "running",
		StartedAtUnixMs: startedAt.UnixMilli(),
	}}
}

type worker struct {
	options    options
	machine    *machine
	instanceID string // one life of this process

	mutex           sync.Mutex // guards the rest, which sending and receiving share
	sequence        uint64     // goes on over connections
	interval        time.Duration
	quietUntil      time.Time
	told            map[string]bool // refusals that were printed, until heartbeats are accepted again
	refusedSequence uint64
	unsureSequence  uint64 // acknowledged after a refusal: its own may yet come
}

func newWorker(o options) *worker {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		panic(err) // the system has no randomness
	}
	return &worker{
		options:    o,
		machine:    newMachine(),
		instanceID: hex.EncodeToString(id),
		interval:   firstInterval,
		told:       map[string]bool{},
	}
}

// run returns after ctx is done and the farewell is said.
func (w *worker) run(ctx context.Context) {
	select { // so that the first heartbeat has a CPU usage
	case <-ctx.Done():
	case <-time.After(shortestSpan):
	}
	trouble := "" // told once, until the worker is registered again
	for failures := 0; ctx.Err() == nil; failures++ {
		registered, err := w.connect(ctx)
		if registered {
			failures, trouble = 0, ""
		}
		if err != nil && ctx.Err() == nil && describe(err, w.options.master) != trouble {
			trouble = describe(err, w.options.master)
			fmt.Printf("%s; trying again\n", trouble)
		}
		select {
		case <-ctx.Done():
		case <-time.After(backoff(failures)):
		}
	}
}

// backoff is half random, so that a fleet which lost its master does not come back in one moment.
func backoff(failures int) time.Duration {
	longest := math.Min(float64(longestBackoff), float64(firstBackoff)*math.Pow(1.6, float64(failures)))
	return time.Duration(longest * (0.5 + mathrand.Float64()/2))
}

// connect reports until the stream ends.
func (w *worker) connect(ctx context.Context) (registered bool, err error) {
	transport, err := w.options.transport()
	if err != nil {
		return false, err
	}
	// A line that was cut says nothing: pings find out.
	pings := grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second})
	connection, err := dial(w.options.master, transport, pings)
	if err != nil {
		return false, err
	}
	defer connection.Close()
	client := pb.NewTelemetryServiceClient(connection)

	// Read anew for each connection: a token that was replaced needs no restart.
	header, err := w.options.header()
	if err != nil {
		return false, err
	}
	if err := w.register(metadata.NewOutgoingContext(ctx, header), client); err != nil {
		return false, err
	}
	// The stream outlives ctx by the farewell.
	streamContext, cancel := context.WithCancel(metadata.NewOutgoingContext(context.Background(), header))
	defer cancel()
	stream, err := client.StreamHeartbeats(streamContext)
	if err != nil {
		return true, err
	}
	received := make(chan error, 1)
	go func() { received <- w.receive(stream) }()
	return true, w.send(ctx, stream, received)
}

func (w *worker) register(ctx context.Context, client pb.TelemetryServiceClient) error {
	ctx, cancel := context.WithTimeout(ctx, registerWithin)
	defer cancel()
	interval, _ := w.pace()
	_, totalMemory := memory()
	_, totalStorage := storage()
	answer, err := client.Register(ctx, &pb.WorkerInfo{
		WorkerId:     w.options.id,
		InstanceId:   w.instanceID,
		Group:        w.options.group,
		Labels:       w.options.labels,
		AgentVersion: "example-go",
		IntervalMs:   uint32(interval.Milliseconds()),
		TotalCpu:     cores(),
		TotalMemory:  totalMemory,
		TotalStorage: totalStorage,
	})
	if err != nil {
		return err
	}
	w.obey(answer.GetNextIntervalMs())
	fmt.Printf("registered as %s\n", w.options.id)
	return nil
}

// send sends a heartbeat whenever one is due, and the farewell once ctx is done. It returns why the stream ended.
func (w *worker) send(ctx context.Context, stream pb.TelemetryService_StreamHeartbeatsClient, received <-chan error) error {
	due := time.Now()
	for ctx.Err() == nil {
		interval, quiet := w.pace()
		if !quiet {
			if err := stream.Send(w.heartbeat(false)); err != nil {
				return <-received // Send itself says only that the stream is over
			}
		}
		// From when it was due, not from now: otherwise each heartbeat would be a little later than the master expects.
		if due = due.Add(interval); due.Before(time.Now()) {
			due = time.Now()
		}
		select {
		case err := <-received:
			return err
		case <-ctx.Done():
		case <-time.After(time.Until(due)):
		}
	}
	if err := stream.Send(w.heartbeat(true)); err == nil {
		_ = stream.CloseSend()
	}
	// The master answers what is left and ends its side.
	select {
	case err := <-received:
		return err
	case <-time.After(farewellWithin):
		return nil
	}
}

func (w *worker) receive(stream pb.TelemetryService_StreamHeartbeatsClient) error {
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		w.answered(answer)
	}
}

func (w *worker) heartbeat(leaving bool) *pb.Heartbeat {
	w.mutex.Lock()
	w.sequence++
	sequence := w.sequence
	w.mutex.Unlock()
	memoryUsage, _ := memory()
	storageUsage, _ := storage()
	return &pb.Heartbeat{
		WorkerId:     w.options.id,
		InstanceId:   w.instanceID,
		Sequence:     sequence,
		SentAtUnixMs: time.Now().UnixMilli(),
		CpuUsage:     w.machine.cpu(),
		MemoryUsage:  memoryUsage,
		StorageUsage: storageUsage,
		RunningTasks: tasks(),
		Metrics:      metrics(),
		Leaving:      leaving,
	}
}

func (w *worker) answered(answer *pb.StreamHeartbeatsResponse) {
	for _, refusal := range answer.GetRefusals() {
		if id := refusal.GetWorkerId(); id == w.options.id || id == "" {
			w.refused(refusal)
		}
	}
	for _, ack := range answer.GetAcks() {
		if ack.GetWorkerId() == w.options.id {
			w.accepted(ack.GetAcceptedSequence())
		}
	}
	w.obey(answer.GetNextIntervalMs())
}

func (w *worker) accepted(sequence uint64) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if len(w.told) == 0 || sequence <= w.refusedSequence {
		return
	}
	// The refusal of rejected values may come after the ack: only the second ack in peace means that all is well.
	if w.unsureSequence == 0 {
		w.unsureSequence = sequence
	}
	if sequence == w.unsureSequence {
		return
	}
	w.told, w.unsureSequence = map[string]bool{}, 0
	fmt.Println("the master accepts heartbeats again")
}

func (w *worker) refused(refusal *pb.Refusal) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if sequence := refusal.GetSequence(); sequence > w.refusedSequence {
		w.refusedSequence = sequence
	}
	w.quietUntil = time.Now().Add(time.Duration(refusal.GetRetryAfterMs()) * time.Millisecond)
	w.unsureSequence = 0
	what := "refuses heartbeats"
	if refusal.GetHeard() {
		what = "rejects the values of heartbeats"
	}
	code := strings.TrimPrefix(refusal.GetCode().String(), "REFUSAL_CODE_")
	text := fmt.Sprintf("%s: %s: %s", what, code, refusal.GetReason())
	kind := numbers.ReplaceAllString(text, "#")
	if w.told[kind] || len(w.told) >= mostReasons {
		return
	}
	w.told[kind] = true
	fmt.Printf("the master %s\n", text)
}

func (w *worker) obey(nextIntervalMs uint32) {
	if nextIntervalMs == 0 {
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.interval = time.Duration(nextIntervalMs) * time.Millisecond
}

// pace says when the next heartbeat is due, and whether the master asked for none at the moment.
func (w *worker) pace() (interval time.Duration, quiet bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.interval, time.Now().Before(w.quietUntil)
}

// What gRPC says when it is answered by HTTP/1.1, in its versions; 1.33 says only that the connection was closed.
var noGrpc = regexp.MustCompile(`looked like an HTTP/1\.1 header|error reading server preface|connection closed`)

// describe says what to print of a call that failed.
func describe(err error, master string) string {
	s, ok := status.FromError(err)
	if !ok {
		return err.Error()
	}
	said := fmt.Sprintf("%s: %s", s.Code(), s.Message())
	switch s.Code() {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.ResourceExhausted, codes.FailedPrecondition:
		return fmt.Sprintf("the master %s refuses this worker: %s", master, said) // it was reached
	}
	if noGrpc.MatchString(said) {
		return fmt.Sprintf("no gRPC answer from %s; is it the HTTP port? (%s)", master, said)
	}
	return fmt.Sprintf("no connection to %s: %s", master, said)
}

type options struct {
	master, id, group, tokenFile string
	tls                          bool
	tlsCA, tlsCert, tlsKey       string
	labels                       labels
}

// labels is a flag that may be given again: -label team=render -label zone=b
type labels map[string]string

func (l labels) String() string { return "" }

func (l labels) Set(text string) error {
	name, value, found := strings.Cut(text, "=")
	if !found || name == "" {
		return errors.New("expected name=value")
	}
	l[name] = value
	return nil
}

func readOptions() (options, error) {
	host, _ := os.Hostname()
	o := options{labels: labels{}}
	flag.StringVar(&o.master, "master", "127.0.0.1:50051", "`host:port` of the master")
	// Not the host name: that is the id of the agent on this machine.
	flag.StringVar(&o.id, "id", host+"-go", "the worker's `id`, unlike that of any other")
	flag.StringVar(&o.group, "group", "", "workers that may fail together, such as those of a rack")
	flag.Var(o.labels, "label", "`name=value`; may be given again")
	flag.StringVar(&o.tokenFile, "token-file", "", "`file` that holds the worker's token and nothing else")
	flag.BoolVar(&o.tls, "tls", false, "encrypt, and check the master's certificate")
	flag.StringVar(&o.tlsCA, "tls-ca", "", "authorities of the master's certificate (PEM `file`)")
	flag.StringVar(&o.tlsCert, "tls-cert", "", "certificate by which the master knows this worker (PEM `file`)")
	flag.StringVar(&o.tlsKey, "tls-key", "", "its key (PEM `file`)")
	flag.Parse()
	o.tls = o.tls || o.tlsCA != "" || o.tlsCert != "" || o.tlsKey != ""
	if (o.tlsCert == "") != (o.tlsKey == "") {
		return o, errors.New("-tls-cert and -tls-key are needed together")
	}
	if flag.NArg() > 0 {
		return o, fmt.Errorf("%q is no option; -help lists them", flag.Arg(0))
	}
	if err := checkAddress(o.master); err != nil {
		return o, fmt.Errorf("-master %w", err)
	}
	// What cannot be read now is a mistake; later it may be a file that is being replaced.
	if _, err := o.header(); err != nil {
		return o, err
	}
	_, err := o.transport()
	return o, err
}

func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	number, notNumber := strconv.ParseUint(port, 10, 16)
	if err != nil || host == "" || strings.ContainsAny(host, "/ ") || notNumber != nil || number == 0 {
		return fmt.Errorf("%q: expected host:port, such as 10.0.0.5:50051", address)
	}
	return nil
}

// header is the metadata by which the master knows this worker.
func (o options) header() (metadata.MD, error) {
	if o.tokenFile == "" {
		return metadata.MD{}, nil
	}
	token, err := os.ReadFile(o.tokenFile)
	if err != nil {
		return nil, err
	}
	return metadata.Pairs("authorization", "Bearer "+strings.TrimSpace(string(token))), nil
}

// transport is nil where nothing is encrypted.
func (o options) transport() (credentials.TransportCredentials, error) {
	if !o.tls {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.tlsCA != "" {
		pem, err := os.ReadFile(o.tlsCA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", o.tlsCA)
		}
	}
	if o.tlsCert != "" {
		certificate, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return credentials.NewTLS(config), nil
}

func main() {
	o, err := readOptions()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	newWorker(o).run(ctx)
}
