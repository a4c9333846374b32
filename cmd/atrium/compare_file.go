package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"atrium/client"
	"atrium/coordinator/federation"
	"atrium/coordinator/setup"
)

// comparison is what --json writes: what was compared, and every run.
type comparison struct {
	Plan       string            `json:"plan"`
	PlanDigest federation.Digest `json:"plan_digest"` // with --rounds and --fine-tune
	Records    federation.Digest `json:"records"`     // of all records
	Groups     int               `json:"groups"`
	Rounds     int               `json:"rounds"`
	Seeds      int               `json:"seeds"`
	Hospitals  []compareHospital `json:"hospitals"`
	Runs       []compareRun      `json:"runs"` // by row, then seed

	doubts []string // about records
}

type compareHospital struct {
	Name    string `json:"name"`
	Rows    int    `json:"rows"`
	Test    int    `json:"test_rows"`
	Attacks bool   `json:"attacks,omitempty"` // not in the means
}

const maxComparisonBytes = 64 << 20

// comparisonFile is a comparison that grows on disk; mu guards it while runs end.
type comparisonFile struct {
	mu    sync.Mutex
	path  string // empty: nothing is written
	added int
	comparison
}

// openComparison begins a comparison or goes on with the one in the file.
func openComparison(o compareOptions, plan federation.Plan, records []client.Records) (*comparisonFile, error) {
	c := &comparisonFile{path: o.JSON, comparison: comparison{Plan: plan.Name, PlanDigest: plan.Digest(), Records: recordsDigest(records),
		Groups: o.Groups, Rounds: plan.Schedule.Rounds, Seeds: o.Seeds, Runs: []compareRun{}}}
	for _, r := range records {
		c.Hospitals = append(c.Hospitals, compareHospital{Name: r.Name, Rows: r.Train.Rows, Test: r.Test.Rows, Attacks: slices.Contains(o.Attackers, r.Name)})
	}
	c.doubts = doubts(plan, records)
	if o.JSON == "" {
		return c, nil
	}
	b, err := setup.ReadFile(o.JSON, maxComparisonBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return c, c.write() // a place that cannot be written to is an error now
	}
	if err != nil {
		return nil, err
	}
	before, err := decodeComparison(b)
	if err != nil {
		return nil, fmt.Errorf("%s: is no comparison to go on with: %w", o.JSON, err)
	}
	if before.PlanDigest != c.PlanDigest || before.Records != c.Records || before.Groups != c.Groups || !slices.Equal(before.Hospitals, c.Hospitals) {
		return nil, fmt.Errorf("%s: is a comparison of another plan, other records, groups or attackers; choose another --json", o.JSON)
	}
	c.Runs = before.Runs
	return c, nil
}

// decodeComparison reads a comparison; every run in it has its hospitals.
func decodeComparison(b []byte) (comparison, error) {
	var c comparison
	if err := json.Unmarshal(b, &c); err != nil {
		return c, err
	}
	for _, r := range c.Runs {
		tuned := r.TunedAll != nil
		if n := len(c.Hospitals); len(r.Hospitals) != n || tuned && len(r.Tuned) != n || !tuned && len(r.Tuned) > 0 {
			return c, fmt.Errorf("%.80q, seed %d: scores of %d hospitals and %d after fine-tuning, there are %d", r.Row, r.Seed, len(r.Hospitals), len(r.Tuned), n)
		}
	}
	return c, nil
}

// recordsDigest names what is trained and tested on.
func recordsDigest(records []client.Records) federation.Digest {
	h := sha256.New()
	var b []byte
	for _, r := range records {
		fmt.Fprintf(h, "%s %d %d\n", r.Name, r.Train.Rows, r.Test.Rows)
		for _, values := range [][]float64{r.Train.X, r.Train.Y, r.Train.Class, r.Test.X, r.Test.Y, r.Test.Class} {
			b = b[:0]
			for _, v := range values {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
			}
			h.Write(b)
		}
	}
	return federation.Digest(h.Sum(nil))
}

func (c *comparisonFile) has(x contender) bool {
	return slices.ContainsFunc(c.Runs, func(r compareRun) bool {
		return r.Row == x.name && r.Seed == x.seed
	})
}

// add writes a run down; then is called under the lock.
func (c *comparisonFile) add(r compareRun, then func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Runs = append(c.Runs, r)
	slices.SortFunc(c.Runs, func(a, b compareRun) int {
		return cmp.Or(cmp.Compare(a.Row, b.Row), cmp.Compare(a.Seed, b.Seed))
	})
	c.added++
	then()
	return c.write()
}

// write replaces the file as a whole.
func (c *comparisonFile) write() error {
	if c.path == "" {
		return nil
	}
	b, err := json.MarshalIndent(c.comparison, "", "  ")
	if err != nil {
		return err
	}
	temp := filepath.Join(filepath.Dir(c.path), "."+filepath.Base(c.path)+".tmp")
	if err := os.WriteFile(temp, append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(temp, c.path)
}
