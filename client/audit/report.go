package audit

import (
	"fmt"

	"atrium/coordinator/federation"
	"atrium/storage/roundlog"
)

// Report is what Verify found, all of it right.
type Report struct {
	Log
	Published int64  `json:"published"` // size of the published checkpoint
	Leader    uint64 `json:"leader"`    // epoch of the last coordinator

	Objects   int               `json:"objects"`            // blobs, segments, snapshots and cards that were read
	Bytes     int64             `json:"bytes"`              // of these
	Done      int               `json:"done"`               // rounds
	Abandoned int               `json:"abandoned"`          // rounds
	Version   uint64            `json:"version"`            // the newest
	Snapshot  federation.Digest `json:"snapshot"`           // of that version
	Finished  string            `json:"finished,omitempty"` // why the plan ended; empty if it did not

	Segments int    `json:"segments"` // ciphertext segments that are there
	Retired  int    `json:"retired"`  // ciphertext segments that are gone, of rounds that expired
	Expired  uint64 `json:"expired"`  // the last round that did

	Notes []string `json:"notes"` // what is not wrong, but worth knowing
}

func (c *checker) summary(tree *roundlog.Tree, published int64) Report {
	r := c.report
	r.Log, r.Published, r.Leader = c.log(tree), published, c.memo.State.Epoch
	r.Expired = c.memo.State.Expired
	newest, state := c.archive.Newest(), c.memo.State
	r.Version, r.Snapshot, r.Finished = newest.Number, newest.Snapshot, state.Finished
	if state.Model.Number != state.Newest {
		c.note("the plan begins %s; no version followed yet", c.plan.Start.Words())
	}
	if c.card != nil {
		c.note("%s is not written yet: the coordinator writes it when it starts again", c.card.what())
	}
	if published < r.Entries {
		c.note("the last %d entries are not under the published checkpoint yet", r.Entries-published)
	}
	if phase := c.memo.State.Round.Phase; phase.Running() {
		c.note("round %d is %s", c.memo.State.Round.Number, phase)
	}
	r.Notes = append([]string{}, c.report.Notes...)
	return r
}

// Text is the report in lines of plain words.
func (r Report) Text() []string {
	lines := append(r.identity(),
		fmt.Sprintf("rounds      %d done, %d abandoned", r.Done, r.Abandoned),
		fmt.Sprintf("objects     %d, %d bytes: every digest, signature and tile holds", r.Objects, r.Bytes),
		fmt.Sprintf("ciphertexts %d segments are there, %d of expired rounds are retired", r.Segments, r.Retired),
		"cosigned    "+r.cosignedText())
	lines = append(lines, r.anchors()...)
	if r.Version > 0 {
		lines = append(lines, fmt.Sprintf("version     %d, snapshot %s", r.Version, r.Snapshot))
	}
	if r.Finished != "" {
		lines = append(lines, "plan        "+r.Finished)
	}
	for _, n := range r.Notes {
		lines = append(lines, "note        "+n)
	}
	return lines
}
