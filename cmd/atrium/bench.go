package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"atrium/privacy/he"
)

func newBenchCommand() *cobra.Command {
	return group("bench", "Measure what encryption and training cost on this machine",
		newBenchEncryptCommand(), newBenchRoundCommand(), newBenchTrainCommand(), newBenchHospitalCommand(), newBenchPlainCommand(), newBenchPlainHospitalCommand())
}

// benchOptions is what the flags of a benchmark say.
type benchOptions struct {
	Params    int
	Hospitals int
	Bits      int
	Rounds    int
	Keep      string // directory; empty: a temporary one that is removed
	JSON      string // file for the result
}

func (o *benchOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&o.Params, "params", 1_000_000, "parameters of the model")
	f.IntVar(&o.Hospitals, "hospitals", 10, "hospitals that are summed")
	f.IntVar(&o.Bits, "bits", 16, "bits a value: 8, 16, 24 or 32")
	f.StringVar(&o.JSON, "json", "", "write the result to this file as one JSON object")
}

func (o *benchOptions) check(fewest, most int) error {
	switch {
	case o.Params < 1 || o.Params > he.MaxCount:
		return usageError(fmt.Errorf("--params %d: want 1 to %d", o.Params, he.MaxCount))
	case o.Hospitals < fewest || o.Hospitals > most:
		return usageError(fmt.Errorf("--hospitals %d: want %d to %d", o.Hospitals, fewest, most))
	case o.Bits != 8 && o.Bits != 16 && o.Bits != 24 && o.Bits != 32:
		return usageError(fmt.Errorf("--bits %d: want 8, 16, 24 or 32", o.Bits))
	}
	return nil
}

// machine is what a measurement must be read with.
type machine struct {
	CPUs       int     `json:"cpus"`
	GOMAXPROCS int     `json:"gomaxprocs"`
	Load       float64 `json:"load"` // mean of the last minute, before the measurement; 0 where it is not known
	Go         string  `json:"go"`
	Platform   string  `json:"platform"`
}

func thisMachine() machine {
	m := machine{CPUs: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(b), " ")
		m.Load, _ = strconv.ParseFloat(first, 64)
	}
	return m
}

func (m machine) words() string {
	return fmt.Sprintf("%d CPUs, GOMAXPROCS %d, load %.2f, %s, %s", m.CPUs, m.GOMAXPROCS, m.Load, m.Go, m.Platform)
}

// peakMB is the largest resident memory that a process had, in units of 10⁶ bytes; 0
// where the system does not say.
func peakMB(pid int) float64 {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB"), 64)
			if err == nil {
				return kib * 1024 / 1e6
			}
		}
	}
	return 0
}

// cpuSeconds is the processor time that a process used; 0 where the system does not say.
func cpuSeconds(pid int) float64 {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(b, []byte(") ")) // behind the name: state, ppid, ...
	total := 0.0
	if fields := bytes.Fields(rest); len(fields) > 12 {
		for _, f := range fields[11:13] { // user and system, in hundredths
			ticks, _ := strconv.ParseFloat(string(f), 64)
			total += ticks / 100
		}
	}
	return total
}

// writeJSON writes the result of a benchmark, if a file is named.
func (o benchOptions) writeJSON(result any) error {
	if o.JSON == "" {
		return nil
	}
	b, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.JSON, append(b, '\n'), 0o644)
}

// maxBenchHospitals bounds a cohort of processes on one machine.
const maxBenchHospitals = 128

// benchParties are the custodians that a charter of n hospitals has by default, and how
// many of them must answer (federation.NewCharter).
func benchParties(n int) (custodians, threshold int) {
	m := min(max(n, 3), 21)
	return m, min(2*m/3+1, m)
}

// benchStream is xorshift64*: numbers that do not compress, for nothing that matters.
type benchStream uint64

func (s *benchStream) next() uint64 {
	x := *s
	x ^= x >> 12
	x ^= x << 25
	x ^= x >> 27
	*s = x
	return uint64(x) * 0x2545f4914f6cdd1d
}
