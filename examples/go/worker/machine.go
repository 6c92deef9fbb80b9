package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// machine measures usages of this Linux machine in percent.
type machine struct {
	busy, total, usage float64
	since              time.Time
}

// shortestSpan is what CPU usage is measured over: a shorter one shows mostly this process.
const shortestSpan = 500 * time.Millisecond

func newMachine() *machine {
	m := &machine{}
	m.cpu()
	m.usage = 0 // that was the usage since the machine was started
	return m
}

// cpu is the usage since it was last measured.
func (m *machine) cpu() float64 {
	if time.Since(m.since) < shortestSpan {
		return m.usage
	}
	fields := strings.Fields(firstLine("/proc/stat"))
	var times [8]float64
	var total float64
	for i := range times {
		if i+1 < len(fields) {
			times[i], _ = strconv.ParseFloat(fields[i+1], 64)
		}
		total += times[i]
	}
	busy := total - times[3] - times[4] // without idle and iowait
	passedBusy, passed := busy-m.busy, total-m.total
	m.busy, m.total, m.since, m.usage = busy, total, time.Now(), 0
	if passed > 0 && passedBusy > 0 {
		m.usage = 100 * passedBusy / passed
	}
	return m.usage
}

// memory returns the usage in percent, and how much there is in GiB.
func memory() (percent, totalGiB float64) {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, 0
	}
	defer file.Close()
	var total, available float64
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var name string
		var kib float64
		fmt.Sscan(lines.Text(), &name, &kib)
		switch name {
		case "MemTotal:":
			total = kib
		case "MemAvailable:":
			available = kib
		}
	}
	if total == 0 {
		return 0, 0
	}
	return 100 * (1 - available/total), total / (1 << 20)
}

// storage returns the usage of / in percent, and its size in GiB.
func storage() (percent, totalGiB float64) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs("/", &fs); err != nil || fs.Blocks == 0 {
		return 0, 0
	}
	return 100 * (1 - float64(fs.Bfree)/float64(fs.Blocks)), float64(fs.Blocks) * float64(fs.Bsize) / (1 << 30)
}

func cores() float64 { return float64(runtime.NumCPU()) }

func firstLine(path string) string {
	text, _ := os.ReadFile(path)
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}
