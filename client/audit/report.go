package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"atrium/coordinator/federation"
	"atrium/storage/roundlog"
)

// Report is what Verify found, all of it right.
type Report struct {
	Federation string
	Charter    federation.Digest // to compare with one's own
	Epoch      uint64            // of the charter
	LogKey     string            // verifier key
	Members    int

	Entries   int64
	Batches   int64
	Root      federation.Digest // over all entries
	Published int64             // size of the published checkpoint
	Leader    uint64            // epoch of the last coordinator

	Objects   int   // blobs, segments, snapshots and cards that were read
	Bytes     int64 // of these
	Done      int   // rounds
	Abandoned int   // rounds
	Version   uint64
	Snapshot  federation.Digest // of that version
	Finished  string            // why the plan ended; empty if it did not

	Segments int    // ciphertext segments that are there
	Retired  int    // ciphertext segments that are gone, of rounds that expired
	Expired  uint64 // the last round that did

	Cosigned []Cosigned // one a hospital of the charter, largest size first
	Notes    []string   // what is not wrong, but worth knowing
}

// Cosigned is the largest checkpoint that a hospital cosigned; size 0 if it cosigned none.
type Cosigned struct {
	Hospital federation.HospitalID
	Name     string // where the charter shows it
	Size     int64
}

func (c *checker) summary(tree *roundlog.Tree, published int64) Report {
	r := c.report
	r.Federation, r.Charter, r.Epoch = c.charter.Federation, c.charter.Digest(), c.charter.Epoch
	r.LogKey, r.Members = c.charter.LogKey, len(c.charter.Members)
	r.Entries, r.Batches, r.Published = tree.Size(), c.batches, published
	r.Root, r.Leader = federation.Digest(tree.Root()), c.memo.State.Epoch
	r.Expired = c.memo.State.Expired
	r.Version, r.Snapshot, r.Finished = c.memo.State.Model.Number, c.memo.State.Model.Snapshot, c.memo.State.Finished
	for _, m := range c.charter.Members {
		r.Cosigned = append(r.Cosigned, Cosigned{m.ID, m.Name, c.largest[m.ID]})
	}
	slices.SortStableFunc(r.Cosigned, func(a, b Cosigned) int { return cmp.Compare(b.Size, a.Size) })
	if c.card != nil {
		c.note("%s is not written yet: the coordinator writes it when it starts again", c.card.what())
	}
	if published < r.Entries {
		c.note("the last %d entries are not under the published checkpoint yet", r.Entries-published)
	}
	if phase := c.memo.State.Round.Phase; phase.Running() {
		c.note("round %d is %s", c.memo.State.Round.Number, phase)
	}
	r.Notes = c.report.Notes
	return r
}

// Text is the report in lines of plain words.
func (r Report) Text() []string {
	lines := []string{
		fmt.Sprintf("federation  %s, %d hospitals, all of which signed the charter", r.Federation, r.Members),
		fmt.Sprintf("charter     %s (epoch %d): compare it with your own", r.Charter, r.Epoch),
		fmt.Sprintf("log         %d entries in %d batches, root %s", r.Entries, r.Batches, r.Root),
		fmt.Sprintf("rounds      %d done, %d abandoned", r.Done, r.Abandoned),
		fmt.Sprintf("objects     %d, %d bytes: every digest, signature and tile holds", r.Objects, r.Bytes),
		fmt.Sprintf("ciphertexts %d segments are there, %d of expired rounds are retired", r.Segments, r.Retired),
		"cosigned    " + r.cosignedText(),
	}
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

// cosignedText says up to which size how many hospitals hold the operator to the log.
func (r Report) cosignedText() string {
	signers := slices.Clone(r.Cosigned)
	signers = slices.DeleteFunc(signers, func(c Cosigned) bool { return c.Size == 0 })
	if len(signers) == 0 {
		return fmt.Sprintf("by none of %d hospitals: the operator can still rewrite all of it", len(r.Cosigned))
	}
	text := []string{fmt.Sprintf("%d of %d hospitals cosigned a checkpoint of size ≥ %d", len(signers), len(r.Cosigned), signers[len(signers)-1].Size)}
	if top := signers[0].Size; top > signers[len(signers)-1].Size {
		n := 0
		for n < len(signers) && signers[n].Size == top {
			n++
		}
		text = append(text, fmt.Sprintf("%d of size ≥ %d", n, top))
	}
	if left := r.Entries - signers[0].Size; left > 0 {
		text = append(text, fmt.Sprintf("the last %d entries are cosigned by none", left))
	}
	return strings.Join(text, ", ")
}
