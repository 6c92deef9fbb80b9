// A worker in Go: reports this machine to a Pulselane master over HTTP, with the standard library alone.
//
//	go run . -master http://127.0.0.1:8080 -id go-1 -interval 10s -group rack-1
//
// It waits longer and longer while the master cannot be reached, tells what the master refuses, and says farewell on SIGTERM or
// Ctrl-C. PULSELANE_TOKEN is its worker token, if the master requires one.
// Put measurements of your own into metrics and tasks.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	requestWithin  = 10 * time.Second
	longestBackoff = time.Minute
)

// metrics are numbers of your own, by name. They are shown beside the worker and in its history.
func metrics() map[string]float64 {
	return map[string]float64{"goroutines": float64(runtime.NumGoroutine())}
}

// tasks are what the worker runs at the moment.
func tasks() []Task {
	return []Task{{ID: "example-task", CPU: 0.5, Memory: 0.25, Status: "running"}}
}

type Task struct {
	ID     string  `json:"task_id"`
	CPU    float64 `json:"cpu_allocated"`    // cores
	Memory float64 `json:"memory_allocated"` // GiB
	Status string  `json:"status"`
}

type Heartbeat struct {
	WorkerID     string             `json:"worker_id"`
	InstanceID   string             `json:"instance_id"`
	Sequence     uint64             `json:"sequence"`
	SentAtUnixMs int64              `json:"sent_at_unix_ms"`
	CPUUsage     float64            `json:"cpu_usage"`
	MemoryUsage  float64            `json:"memory_usage"`
	Tasks        []Task             `json:"running_tasks"`
	Metrics      map[string]float64 `json:"metrics"`
	Worker       Info               `json:"worker"`
}

// Info is what the worker is. It is sent each time, so that a master that was restarted knows it.
type Info struct {
	Group string `json:"group"`
	CPUs  int    `json:"total_cpu"`
}

// Answer is the master's.
type Answer struct {
	Refused []struct {
		Detail string `json:"detail"`
	} `json:"refused"`
	Message string `json:"message"` // of a farewell
	Detail  string `json:"detail"`  // of an error
}

type Worker struct {
	master   string
	id       string
	group    string
	instance string // tells the master that the worker was restarted
	sequence uint64
	told     string
	machine  machine
}

func main() {
	master := flag.String("master", "http://127.0.0.1:8080", "URL of the master")
	hostname, _ := os.Hostname()
	id := flag.String("id", hostname, "worker id")
	interval := flag.Duration("interval", 10*time.Second, "how often to send, 1s to 24h")
	group := flag.String("group", "", "workers that may fail together")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	worker := &Worker{
		master:   *master,
		id:       *id,
		group:    *group,
		instance: fmt.Sprintf("%x-%x", time.Now().UnixNano(), os.Getpid()),
	}
	worker.machine.usages()
	worker.run(ctx, *interval)
	worker.leave()
}

func (w *Worker) run(ctx context.Context, interval time.Duration) {
	backoff := time.Second
	path := fmt.Sprintf("/api/v1/heartbeats?interval=%ds", int(interval.Seconds()))
	for ctx.Err() == nil {
		pause := interval
		answer, err := w.post(ctx, path, w.heartbeat())
		if err != nil {
			// Up to half of it at random, so that a fleet does not come back all at once.
			pause = backoff/2 + time.Duration(rand.Int63n(int64(backoff/2)))
			backoff *= 2
			if backoff > longestBackoff {
				backoff = longestBackoff
			}
			w.tell(err.Error())
		} else {
			backoff = time.Second
			w.tell(outcome(answer))
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func outcome(answer Answer) string {
	if len(answer.Refused) == 0 {
		return "accepted"
	}
	details := make([]string, 0, len(answer.Refused))
	for _, refusal := range answer.Refused {
		details = append(details, refusal.Detail)
	}
	return strings.Join(details, "; ")
}

func (w *Worker) heartbeat() Heartbeat {
	w.sequence++
	cpu, memory := w.machine.usages()
	return Heartbeat{
		WorkerID:     w.id,
		InstanceID:   w.instance,
		Sequence:     w.sequence,
		SentAtUnixMs: time.Now().UnixMilli(),
		CPUUsage:     cpu,
		MemoryUsage:  memory,
		Tasks:        tasks(),
		Metrics:      metrics(),
		Worker:       Info{Group: w.group, CPUs: runtime.NumCPU()},
	}
}

func (w *Worker) leave() {
	path := fmt.Sprintf("/api/v1/workers/%s/leave?instance_id=%s", url.PathEscape(w.id), w.instance)
	answer, err := w.post(context.Background(), path, nil)
	if err != nil {
		fmt.Println("farewell:", err)
		return
	}
	fmt.Println("farewell:", answer.Message)
}

func (w *Worker) post(ctx context.Context, path string, body any) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	var data []byte
	if body != nil {
		var err error
		// Fails for NaN and infinities, which JSON does not have.
		if data, err = json.Marshal(body); err != nil {
			return Answer{}, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.master+path, bytes.NewReader(data))
	if err != nil {
		return Answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if token := os.Getenv("PULSELANE_TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	var answer Answer
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return Answer{}, fmt.Errorf("%s: %w", response.Status, err)
	}
	if response.StatusCode != http.StatusOK {
		return Answer{}, fmt.Errorf("%d: %s", response.StatusCode, answer.Detail)
	}
	return answer, nil
}

func (w *Worker) tell(text string) {
	if text == w.told {
		return
	}
	w.told = text
	fmt.Println(text)
}
