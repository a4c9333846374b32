package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"atrium/client"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/coordinator/setup"
	"atrium/storage/local"
)

func newBenchRoundCommand() *cobra.Command {
	o := benchOptions{}
	cmd := &cobra.Command{
		Use:   "round",
		Short: "Time whole rounds between processes, beside the same rounds without encryption",
		Long: `Runs a coordinator and its hospitals as processes on this machine, over mutual TLS on
loopback and with every byte durable, and times train rounds whose training is a no-op:
from one published version to the next. Then it does the same rounds with the vectors
sent as plain float32, by a path that exists in this benchmark only: over the same TLS,
through the same durable storage on both sides and the same kind of signed log, without
custodians, envelopes and share sums. Peak memory is what the system counted for each
process.`,
		Example: `  atrium bench round
  atrium bench round --params 25000000 --hospitals 40 --rounds 2 --json round.json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(3, maxBenchHospitals); err != nil {
				return err
			}
			if o.Rounds < 1 || o.Rounds > federation.MaxRounds {
				return usageError(fmt.Errorf("--rounds %d: want 1 to %d", o.Rounds, federation.MaxRounds))
			}
			out := newOutput(cmd)
			result, err := benchRound(cmd.Context(), o, out)
			if err != nil {
				return err
			}
			showBenchRound(out, result)
			return o.writeJSON(result)
		},
	}
	o.addFlags(cmd)
	cmd.Flags().IntVar(&o.Rounds, "rounds", 10, "train rounds of each kind")
	cmd.Flags().StringVar(&o.Keep, "keep", "", "empty directory for state and logs, which stay (default a temporary one that is removed)")
	return cmd
}

// roundResult is what --json writes.
type roundResult struct {
	Params            int       `json:"params"` // of the model, near what was asked for
	Hospitals         int       `json:"hospitals"`
	Bits              int       `json:"bits"`
	Rounds            int       `json:"rounds"`
	MedianSeconds     float64   `json:"median_seconds"`
	PlainMedian       float64   `json:"plain_median_seconds"`
	Ratio             float64   `json:"ratio"`       // of the medians
	CPUSeconds        float64   `json:"cpu_seconds"` // of all processes, a round
	PlainCPU          float64   `json:"plain_cpu_seconds"`
	Seconds           []float64 `json:"seconds"`
	PlainSeconds      []float64 `json:"plain_seconds"`
	BytesPerHospital  int64     `json:"bytes_per_hospital"` // sent in a train round, as gRPC messages; the first has a little of the statistics round
	PlainBytes        int64     `json:"plain_bytes_per_hospital"`
	CoordinatorPeakMB float64   `json:"coordinator_peak_mb"`
	HospitalPeakMB    float64   `json:"hospital_peak_mb"` // the largest
	PlainCoordinator  float64   `json:"plain_coordinator_peak_mb"`
	PlainHospital     float64   `json:"plain_hospital_peak_mb"`
	ModelMB           float64   `json:"model_mb"`
	Machine           machine   `json:"machine"`
}

func benchRound(ctx context.Context, o benchOptions, out *output) (result roundResult, err error) {
	host := thisMachine()
	dir, remove, err := o.directory()
	if err != nil {
		return result, err
	}
	defer func() {
		if err == nil {
			err = remove()
		}
	}()
	site, err := newBenchSite(ctx, dir, o)
	if err != nil {
		return result, err
	}
	n := site.plan.ParameterCount()
	out.progress(fmt.Sprintf("%d encrypted rounds of %d parameters", o.Rounds, n))
	sealed, err := site.encrypted(ctx, out)
	if err != nil {
		return result, errors.Join(fmt.Errorf("encrypted rounds: %w", err), fmt.Errorf("logs are in %s", site.logs()))
	}
	out.progress(fmt.Sprintf("%d plain rounds of %d parameters", o.Rounds, n))
	plain, err := site.plain(ctx, out, o.Rounds)
	if err != nil {
		return result, errors.Join(fmt.Errorf("plain rounds: %w", err), fmt.Errorf("logs are in %s", site.logs()))
	}
	result = roundResult{Params: n, Hospitals: o.Hospitals, Bits: o.Bits, Rounds: o.Rounds,
		MedianSeconds: median(sealed.seconds), PlainMedian: median(plain.seconds), Seconds: sealed.seconds, PlainSeconds: plain.seconds,
		CPUSeconds: sealed.cpu, PlainCPU: plain.cpu, BytesPerHospital: sealed.bytes, PlainBytes: plain.bytes,
		CoordinatorPeakMB: sealed.coordinatorMB, HospitalPeakMB: sealed.hospitalMB,
		PlainCoordinator: plain.coordinatorMB, PlainHospital: plain.hospitalMB,
		ModelMB: float64(4*n) / 1e6, Machine: host}
	result.Ratio = result.MedianSeconds / result.PlainMedian
	return result, nil
}

// directory makes the one to work in; remove ends it unless it is to be kept.
func (o benchOptions) directory() (dir string, remove func() error, err error) {
	if o.Keep == "" {
		dir, err = os.MkdirTemp("", "atrium-bench-")
		return dir, func() error { return os.RemoveAll(dir) }, err
	}
	if dir, err = filepath.Abs(o.Keep); err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s: is not empty", o.Keep)
	}
	return dir, func() error { return nil }, err
}

// measured is one kind of rounds.
type measured struct {
	seconds       []float64 // of each round
	cpu           float64   // seconds a round, of all processes
	bytes         int64     // sent by a hospital in a round
	coordinatorMB float64
	hospitalMB    float64
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// encrypted runs a whole plan of the federation and reads its log: a round lasts from
// the version before it to its own.
func (s benchSite) encrypted(ctx context.Context, out *output) (measured, error) {
	var m measured
	charter, err := setup.LoadCharter(filepath.Join(s.coordinatorDir(), "charter.json"))
	if err != nil {
		return m, err
	}
	bucket, err := local.Open(filepath.Join(s.coordinatorDir(), "state"))
	if err != nil {
		return m, err
	}
	defer bucket.Close()
	processes, stop, err := s.start(ctx, out, func(folder string) []string {
		return []string{"coordinator", "serve", "--config", filepath.Join(folder, setup.ConfigFile), "--log-level", "warn", "--" + stdinFlag}
	}, func(folder string) []string {
		return []string{"bench", "hospital", "--config", filepath.Join(folder, setup.ConfigFile), "--log-level", "warn", "--" + stdinFlag}
	})
	if err != nil {
		return m, err
	}
	defer stop()
	f := newFollower(bucket, charter)
	var published []time.Time
	f.each = func(e round.Entry) error {
		if e.Kind != round.Publish {
			return nil
		}
		at, err := federation.ParseTime(e.Time)
		published = append(published, at)
		if len(published) == 1 { // statistics: what was sent until now is not part of a train round
			m.bytes, m.cpu = -s.sent(), -s.cpu(processes)
		}
		return err
	}
	err = s.until(ctx, processes, func() (bool, error) {
		_, err := f.advance(ctx)
		return f.state.Finished != "" && s.reported() == len(s.hospitals), err
	})
	if err != nil {
		return m, err
	}
	if f.abandoned > 0 {
		return m, fmt.Errorf("%d rounds were abandoned: %s", f.abandoned, f.lastReason)
	}
	for i := 1; i < len(published); i++ {
		m.seconds = append(m.seconds, published[i].Sub(published[i-1]).Seconds())
	}
	m.cpu = (m.cpu + s.cpu(processes)) / float64(max(len(m.seconds), 1))
	m.coordinatorMB, m.hospitalMB = s.peaks(processes)
	m.bytes = (m.bytes + s.sent()) / int64(len(s.hospitals)*max(len(m.seconds), 1))
	return m, nil
}

// sent is what the daemons said last that they sent, together: while they work, up to a
// moment ago, and at the end in their reports.
func (s benchSite) sent() int64 {
	var total int64
	for _, name := range s.hospitals {
		state := filepath.Join(s.hospitalDir(name), "state")
		if report, err := client.ReadReport(state); err == nil {
			total += report.BytesSent
		} else if status, err := client.ReadStatus(state); err == nil {
			total += status.BytesSent
		}
	}
	return total
}

// reported counts the hospitals that have done all.
func (s benchSite) reported() (n int) {
	for _, name := range s.hospitals {
		if _, err := client.ReadReport(filepath.Join(s.hospitalDir(name), "state")); err == nil {
			n++
		}
	}
	return n
}

// start runs a coordinator and the hospitals; stop ends them and waits.
func (s benchSite) start(ctx context.Context, out *output, coordinator, hospital func(folder string) []string) (*supervisor, func(), error) {
	processes, err := newSupervisor(s.logs(), true, out.notice)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	processes.keep(ctx, demoCoordinator, coordinator(s.coordinatorDir())...)
	for _, name := range s.hospitals {
		processes.keep(ctx, name, hospital(s.hospitalDir(name))...)
	}
	return processes, func() {
		cancel()
		processes.wait()
	}, nil
}

// until looks again and again whether something is done.
func (s benchSite) until(ctx context.Context, processes *supervisor, done func() (bool, error)) error {
	ticker := time.NewTicker(benchInterval)
	defer ticker.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		for _, name := range append([]string{demoCoordinator}, s.hospitals...) {
			if why := processes.gone(name); why != "" {
				return fmt.Errorf("%s: %s", name, why)
			}
		}
		select {
		case <-ticker.C:
		case err := <-processes.failed:
			return err
		case <-ctx.Done():
			return errors.New("interrupted")
		}
	}
}

// benchInterval is long enough that looking does not take part in what is measured.
const benchInterval = 200 * time.Millisecond

// peaks reads the peak memory of the processes while they are there.
func (s benchSite) peaks(processes *supervisor) (coordinator, hospital float64) {
	processes.mu.Lock()
	defer processes.mu.Unlock()
	for name, pid := range processes.pids {
		if name == demoCoordinator {
			coordinator = peakMB(pid)
		} else {
			hospital = max(hospital, peakMB(pid))
		}
	}
	return coordinator, hospital
}

// cpu is the processor time of all processes until now.
func (s benchSite) cpu(processes *supervisor) (total float64) {
	processes.mu.Lock()
	defer processes.mu.Unlock()
	for _, pid := range processes.pids {
		total += cpuSeconds(pid)
	}
	return total
}

func showBenchRound(out *output, r roundResult) {
	out.line("%d parameters (%.1f MB as float32), %d hospitals, %d bits, %d train rounds", r.Params, r.ModelMB, r.Hospitals, r.Bits, r.Rounds)
	row := func(name, format string, a, b float64) []string {
		return []string{name, fmt.Sprintf(format, a), fmt.Sprintf(format, b), fmt.Sprintf("%.2f", a/b)}
	}
	out.table([][]string{{"", "encrypted", "plain float32", "ratio"},
		row("median round", "%.3f s", r.MedianSeconds, r.PlainMedian),
		row("fastest round", "%.3f s", slices.Min(r.Seconds), slices.Min(r.PlainSeconds)),
		row("processor time a round", "%.2f s", r.CPUSeconds, r.PlainCPU),
		row("a hospital sends", "%.0f bytes", float64(r.BytesPerHospital), float64(r.PlainBytes)),
		row("coordinator's peak memory", "%.0f MB", r.CoordinatorPeakMB, r.PlainCoordinator),
		row("hospital's peak memory", "%.0f MB", r.HospitalPeakMB, r.PlainHospital)})
	out.line("%s", r.Machine.words())
}
