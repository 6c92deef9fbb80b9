package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"strings"
)

// machine measures this Linux machine. Elsewhere everything is 0.
type machine struct {
	busy, total float64
}

// usages are in percent; CPU since the last call.
func (m *machine) usages() (cpu, memory float64) {
	busy, total := cpuTimes()
	if total > m.total {
		cpu = hundredths(100 * (busy - m.busy) / (total - m.total))
	}
	m.busy, m.total = busy, total
	return cpu, memoryUsage()
}

func cpuTimes() (busy, total float64) {
	file, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	var user, nice, system, idle, iowait, irq, softirq, steal float64
	if _, err := fmt.Sscanf(string(file), "cpu %f %f %f %f %f %f %f %f",
		&user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal); err != nil {
		return 0, 0
	}
	busy = user + nice + system + irq + softirq + steal
	return busy, busy + idle + iowait
}

func memoryUsage() float64 {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer file.Close()
	kib := map[string]float64{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		var value float64
		if _, err := fmt.Sscanf(rest, "%f", &value); err == nil {
			kib[name] = value
		}
	}
	if kib["MemTotal"] == 0 {
		return 0
	}
	return hundredths(100 * (1 - kib["MemAvailable"]/kib["MemTotal"]))
}

func hundredths(value float64) float64 {
	return math.Round(100*value) / 100
}
