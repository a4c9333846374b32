package coordinator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/storage"
	"atrium/storage/roundlog"
)

// Poll is what a hospital says about itself when it asks for work.
type Poll struct {
	Incarnation federation.Digest // of this run of its daemon
	SeenSize    int64             // largest checkpoint it verified
	Checkpoint  []byte            // that one, as it was signed; nil: not kept
	Adopted     uint64            // newest version whose local report it wrote
	Skip        []string          // tasks that failed there and are not wanted now
	Charter     federation.Digest // that it follows; zero when it does not say
}

// ErrAhead: the hospital says that it saw more of the log than there is. It is wrong, or
// the coordinator works on an older copy of its store.
var ErrAhead = errors.New("the hospital saw a longer log")

// ErrOtherCharter: the hospital follows a charter that is neither the one in force nor the
// one before.
var ErrOtherCharter = errors.New("the hospital follows another charter")

// TaskCharter shows a hospital of the epoch before the charter that is in force now.
const TaskCharter round.TaskKind = "charter"

// TaskAdopt asks a hospital to score the last version of a finished plan at home.
const TaskAdopt round.TaskKind = "adopt"

// Work is one task for a hospital with all that it needs to judge it.
type Work struct {
	ID          string
	Kind        round.TaskKind
	Round       uint64
	Header      []byte
	Manifest    federation.Digest
	Checkpoint  []byte
	Consistency [][]byte // from Poll.SeenSize to the checkpoint
	Candidate   []byte
	Entry       []byte // that names the candidate, with which it stood, or that says what followed
	EntryIndex  int64
	Inclusion   [][]byte
	Version     uint64
	Snapshot    federation.Digest
	Reason      string
	Readies     [][]byte // signed, of t custodians
	Vouches     [][]byte // signed, of all of S
	Sends       [][]byte // signed, in the order of the log
	Derived     [][]byte // signed, of the versions that the header names, or Version, and of what was opened last
}

// WorkFor returns what a hospital owes in a view; ok is false if nothing.
func (c *Coordinator) WorkFor(ctx context.Context, v *View, id federation.HospitalID, p Poll) (w Work, ok bool, err error) {
	if p.SeenSize > v.Head.Size {
		if err := c.checkSeen(ctx, v, id, p); err != nil {
			return Work{}, false, err
		}
	}
	tasks, err := tasksFor(v.State, id, p)
	if err != nil {
		return Work{}, false, err
	}
	for _, t := range tasks {
		if slices.Contains(p.Skip, t.ID) {
			continue
		}
		if err := c.checkSeen(ctx, v, id, p); err != nil {
			return Work{}, false, err
		}
		w, err := c.describe(ctx, v, t, p)
		return w, err == nil, err
	}
	return Work{}, false, nil
}

// tasksFor lists what a hospital owes: one that is still in the epoch before owes nothing
// but to go over.
func tasksFor(s round.State, id federation.HospitalID, p Poll) ([]round.Task, error) {
	if now := s.Charter.Digest(); !p.Charter.IsZero() && p.Charter != now {
		if p.Charter != s.Charter.Previous {
			return nil, fmt.Errorf("%w: %s, in force is %s of epoch %d", ErrOtherCharter, p.Charter.Short(), now.Short(), s.Charter.Epoch)
		}
		return []round.Task{{ID: fmt.Sprintf("%s/%s/%s", TaskCharter, id, now), Kind: TaskCharter, Hospital: id, Round: s.Round.Number}}, nil
	}
	tasks := round.TasksFor(s, id, p.Incarnation)
	if s.Finished != "" && p.Adopted < s.Model.Number {
		tasks = append(tasks, round.Task{ID: fmt.Sprintf("%s/%s/%d", TaskAdopt, id, s.Model.Number), Kind: TaskAdopt, Hospital: id})
	}
	return tasks, nil
}

func (c *Coordinator) describe(ctx context.Context, v *View, t round.Task, p Poll) (Work, error) {
	r := v.State.Round
	w := Work{ID: t.ID, Kind: t.Kind, Round: t.Round, Header: v.Header, Manifest: r.Manifest}
	switch t.Kind {
	case round.TaskJoin:
		w.Checkpoint = v.HeaderCheckpoint
		h, err := federation.DecodeHeader(v.Header)
		if err != nil {
			return w, err
		}
		if err := c.derived(ctx, &w, v.State); err != nil {
			return w, err
		}
		return w, c.prove(ctx, &w, p.SeenSize, h.Checkpoint.Size, -1)
	case round.TaskUpdate:
		return w, c.derived(ctx, &w, v.State)
	case round.TaskReady, round.TaskVouch:
		return w, c.describeReady(ctx, &w, v, p)
	case round.TaskSend:
		return w, c.describeSend(ctx, &w, v, p)
	case round.TaskDerive:
		return w, c.describeDerive(ctx, &w, v, p)
	case TaskCharter:
		w.Header, w.Checkpoint, w.Entry, w.EntryIndex = nil, v.Checkpoint, v.CharterEntry, v.CharterIndex
		return w, c.prove(ctx, &w, p.SeenSize, v.Head.Size, v.CharterIndex)
	case TaskAdopt:
		w.Version, w.Snapshot, w.Reason = v.State.Model.Number, v.State.Model.Snapshot, v.State.Finished
		return w, c.derived(ctx, &w, v.State)
	}
	return w, nil
}

// describeReady shows a candidate under the checkpoint that ends with its entry, and who
// derived its base.
func (c *Coordinator) describeReady(ctx context.Context, w *Work, v *View, p Poll) error {
	w.Checkpoint, w.Entry, w.EntryIndex = v.CandidateCheckpoint, v.CandidateEntry, v.CandidateIndex
	err := c.candidate(ctx, w, v.State.Round.Candidate)
	if err == nil {
		err = c.derived(ctx, w, v.State)
	}
	if err == nil {
		err = c.prove(ctx, w, p.SeenSize, v.CandidateIndex+1, v.CandidateIndex)
	}
	return err
}

// describeSend shows that t custodians are ready, and the vouches of a large C.
func (c *Coordinator) describeSend(ctx context.Context, w *Work, v *View, p Poll) error {
	w.Checkpoint, w.Entry, w.EntryIndex = v.Checkpoint, v.ReadyEntry, v.ReadyIndex
	var ready []round.Held
	for _, a := range v.State.Round.Readies {
		if len(a.Unreadable) == 0 && len(ready) < v.State.Charter.Threshold {
			ready = append(ready, round.Held{Hospital: a.Custodian, Blob: a.Blob})
		}
	}
	err := c.candidate(ctx, w, v.State.Round.Candidate)
	if err == nil {
		err = c.messages(ctx, &w.Readies, ready)
	}
	if err == nil {
		err = c.messages(ctx, &w.Vouches, v.State.Round.Vouches)
	}
	if err == nil {
		err = c.prove(ctx, w, p.SeenSize, v.Head.Size, v.ReadyIndex)
	}
	return err
}

// describeDerive shows the entry that says what followed from the candidate that was opened
// last, and what was sent for it.
func (c *Coordinator) describeDerive(ctx context.Context, w *Work, v *View, p Poll) error {
	o := v.State.Outcome
	w.Manifest, w.Checkpoint, w.Entry, w.EntryIndex = o.Manifest, v.OutcomeCheckpoint, v.OutcomeEntry, v.OutcomeIndex
	var err error
	if w.Header, err = storage.GetBlob(ctx, c.cfg.Bucket, o.Header, federation.MaxPlanBytes); err != nil {
		return err
	}
	if err := c.candidate(ctx, w, o.Candidate); err != nil {
		return err
	}
	if err := c.messages(ctx, &w.Sends, o.Sends); err != nil {
		return err
	}
	return c.prove(ctx, w, p.SeenSize, v.OutcomeIndex+1, v.OutcomeIndex)
}

// derived shows who derived the base of the round, the newest version where that is another, and
// what followed from the sum that was opened last: by it a hospital knows that a round is over.
func (c *Coordinator) derived(ctx context.Context, w *Work, s round.State) error {
	err := errors.Join(c.messages(ctx, &w.Derived, s.Signed), c.messages(ctx, &w.Derived, s.Numbered))
	if err == nil && s.Outcome.Version == 0 { // else they are the same words
		err = c.messages(ctx, &w.Derived, s.Outcome.Derived)
	}
	return err
}

// messages reads signed messages that the log names.
func (c *Coordinator) messages(ctx context.Context, into *[][]byte, list []round.Held) error {
	for _, h := range list {
		signed, err := storage.GetBlob(ctx, c.cfg.Bucket, h.Blob, federation.MaxMessageBytes)
		if err != nil {
			return err
		}
		*into = append(*into, signed)
	}
	return nil
}

func (c *Coordinator) candidate(ctx context.Context, w *Work, digest federation.Digest) (err error) {
	w.Candidate, err = storage.GetBlob(ctx, c.cfg.Bucket, digest, federation.MaxManifestBytes)
	return err
}

// prove adds the consistency proof from what the hospital saw to size, in either
// direction, and the inclusion proof of an entry if index is not negative.
func (c *Coordinator) prove(ctx context.Context, w *Work, seen, size, index int64) error {
	var consistency roundlog.ConsistencyProof
	var inclusion roundlog.InclusionProof
	var failed error
	err := c.onLoop(ctx, func() {
		consistency, inclusion, failed = c.proofs(ctx, seen, size, index)
	})
	if err != nil {
		return err
	}
	for _, h := range consistency {
		w.Consistency = append(w.Consistency, h[:])
	}
	for _, h := range inclusion {
		w.Inclusion = append(w.Inclusion, h[:])
	}
	return failed
}

// proofs makes what prove sends. Only the loop calls it.
func (c *Coordinator) proofs(ctx context.Context, seen, size, index int64) (consistency roundlog.ConsistencyProof, inclusion roundlog.InclusionProof, err error) {
	if have := c.log.Size(); seen > have {
		return nil, nil, fmt.Errorf("%w: %d entries, this one has %d", ErrAhead, seen, have)
	}
	if older, newer := min(seen, size), max(seen, size); older > 0 {
		if consistency, err = c.log.ProveConsistency(ctx, older, newer); err != nil {
			return nil, nil, err
		}
	}
	if index >= 0 {
		inclusion, err = c.log.Prove(ctx, index, size)
	}
	return consistency, inclusion, err
}
