package audit

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"atrium/coordinator/federation"
	"atrium/storage/roundlog"
)

// Anchor is what holds a log to something outside of its store. The charter's digest says
// whose log it is: without it federation, hospitals and keys may all be made up, and the
// checkpoints with them. A checkpoint that a hospital kept says how much of it there must
// be: without one the end may be cut off, and replaced.
type Anchor struct {
	Charter     federation.Digest `json:"charter,omitzero"` // that was given and that the log has
	Checkpoints []Handed          `json:"checkpoints"`      // that were given and hold, in that order
	Entries     int64             `json:"entries"`          // from the first on, that one cosigned by a hospital covers
}

// Handed is a kept checkpoint that is a prefix of the log. Only a hospital's cosignature
// makes it an anchor: the operator has the log's key.
type Handed struct {
	File      string            `json:"file"`
	Size      int64             `json:"size"`
	Root      federation.Digest `json:"root"`
	Hospitals []Cosigned        `json:"hospitals"` // of the log's charters, that cosigned it
}

// Holds reports whether both are known: whose log it is and how long it must be.
func (a Anchor) Holds() bool { return !a.Charter.IsZero() && a.Entries > 0 }

// Missing says what would anchor the log; empty when it is.
func (a Anchor) Missing() string {
	var list []string
	if a.Charter.IsZero() {
		list = append(list, "the digest of the charter that hospitals approved")
	}
	if a.Entries == 0 {
		list = append(list, "a checkpoint that a hospital kept and cosigned")
	}
	return strings.Join(list, ", and ")
}

// kept is a checkpoint that was handed over, read and not verified.
type kept struct {
	roundlog.Kept
	file string
}

func (h *history) readKept() error {
	for _, c := range h.opts.Checkpoints {
		k, err := roundlog.ParseKept(c.Data)
		if err != nil {
			return wrong(c.File, "kept checkpoint", err)
		}
		h.kept = append(h.kept, kept{k, c.File})
	}
	return nil
}

// checkKept compares the checkpoints that were handed over with the log. All are looked
// at: who saw what tells where a log was changed.
func (h *history) checkKept(tree *roundlog.Tree) error {
	h.anchor = Anchor{Charter: h.opts.Charter, Checkpoints: []Handed{}}
	var errs []error
	for _, k := range h.kept {
		by, err := h.keptBy(k)
		if err == nil {
			err = k.check(tree, by)
		}
		if err != nil {
			errs = append(errs, wrong(k.file, keptName(by), err))
			continue
		}
		h.anchor.Checkpoints = append(h.anchor.Checkpoints, Handed{k.file, k.Size, federation.Digest(k.Root), by})
		for _, c := range by {
			h.cosigners.add(c.Hospital, k.Size, c.Time)
			h.anchor.Entries = max(h.anchor.Entries, k.Size)
		}
	}
	return errors.Join(errs...)
}

// keptBy verifies the cosignatures of hospitals that any charter of the log has. Those of
// strangers say nothing.
func (h *history) keptBy(k kept) (by []Cosigned, err error) {
	for _, c := range k.Cosignatures {
		member, ok := h.members[federation.HospitalID(c.Name)]
		if !ok {
			continue
		}
		when, err := roundlog.VerifyCosignature(k.Note, c.Line, c.Name, member.IdentityKey)
		if err != nil {
			return nil, err
		}
		by = append(by, Cosigned{member.ID, member.Name, k.Size, when})
	}
	return by, nil
}

// check tells apart what is wrong with a kept checkpoint. The log's signature on one that
// does not fit proves that the log was changed; without it there is a hospital's word.
func (k kept) check(tree *roundlog.Tree, by []Cosigned) error {
	err := tree.CheckKept(k.Kept)
	switch {
	case errors.Is(err, roundlog.ErrBehind):
		return fmt.Errorf("the log was cut: %w", err)
	case errors.Is(err, roundlog.ErrFork):
		return fmt.Errorf("the log was rewritten: %w", err)
	case errors.Is(err, roundlog.ErrOtherLog) && len(by) > 0 && k.Origin == tree.Origin():
		return fmt.Errorf("%w: either the log lost the charter that brought the key, or the hospital made it up", err)
	}
	return err
}

// keptName is a kept checkpoint by who cosigned it.
func keptName(by []Cosigned) string {
	if len(by) == 0 {
		return "kept checkpoint"
	}
	return "checkpoint cosigned by " + cosignedBy(by)
}

func cosignedBy(by []Cosigned) string {
	var names []string
	for _, c := range by {
		names = append(names, c.name())
	}
	return fmt.Sprintf("%s at %s", list(names), by[0].Time.Format(time.RFC3339))
}

func (c Cosigned) name() string {
	if c.Name != "" {
		return c.Name
	}
	return string(c.Hospital)
}
