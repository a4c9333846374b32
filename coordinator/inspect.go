package coordinator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/storage"
	"atrium/storage/roundlog"
)

// Inspection is where a federation stands according to its store, without a running
// coordinator and without a key. Connections are not in a store, so Hospitals has none.
type Inspection struct {
	Status
	Hospitals    []InspectedHospital `json:"hospitals"`
	Entries      int64               `json:"entries"` // committed; the checkpoint may be behind
	LastEntry    string              `json:"last_entry,omitempty"`
	Done         int                 `json:"done"`         // rounds of every kind
	Abandonments []Abandonment       `json:"abandonments"` // the last ones, oldest first
	Train        *LastTrain          `json:"train,omitempty"`
	Skipped      *Skips              `json:"skipped,omitempty"` // evaluations under the plan
	Lease        *Lease              `json:"lease,omitempty"`
}

// InspectedHospital is one hospital's part in the round under way.
type InspectedHospital struct {
	ID        federation.HospitalID `json:"id"`
	Name      string                `json:"name,omitempty"`
	Joined    bool                  `json:"joined"`
	Submitted bool                  `json:"submitted"`
	Custodian bool                  `json:"custodian"`
	Asked     bool                  `json:"asked"`

	Capability federation.Capability `json:"capability,omitzero"`
}

// LastTrain is what the last train round found out.
type LastTrain struct {
	Round  uint64            `json:"round"`
	Result federation.Digest `json:"result"` // blob
	opening.TrainResult
}

// Abandonment is a round that ended without a result.
type Abandonment struct {
	Round  uint64               `json:"round"`
	Kind   federation.RoundKind `json:"kind"`
	Time   string               `json:"time"` // RFC 3339, UTC
	Reason string               `json:"reason"`
}

// ErrCharter: the store belongs to another charter than the one pinned.
var ErrCharter = errors.New("another charter")

// Inspect reads and verifies the batches of a store, which a coordinator may be writing
// to. pinned is the digest of a charter that must be among the log's, or zero: then
// nothing but the log itself vouches for its keys.
func Inspect(ctx context.Context, b storage.Bucket, pinned federation.Digest) (Inspection, error) {
	c := &Coordinator{cfg: Config{}.withDefaults(), presence: newPresence(time.Now)}
	out := Inspection{Hospitals: []InspectedHospital{}, Abandonments: []Abandonment{}}
	v, err := readLog(ctx, b, pinned, out.note)
	if err != nil {
		return Inspection{}, err
	}
	if v.Plan, err = opening.Plan(ctx, b, v.State.Plan); err != nil {
		return Inspection{}, fmt.Errorf("plan: %w", err)
	}
	if err := out.readTrain(ctx, b); err != nil {
		return Inspection{}, err
	}
	if out.Lease, err = readLease(ctx, b); err != nil {
		return Inspection{}, err
	}
	c.publish(v)
	out.Status, out.Entries = c.Status(), v.Size
	for _, h := range out.Status.Hospitals {
		out.Hospitals = append(out.Hospitals, InspectedHospital{h.ID, h.Name, h.Joined, h.Submitted, h.Custodian, h.Asked, h.Capability})
	}
	return out, nil
}

// readTrain reads what the last train round found out.
func (i *Inspection) readTrain(ctx context.Context, b storage.Bucket) error {
	if i.Train == nil {
		return nil
	}
	raw, err := storage.GetBlob(ctx, b, i.Train.Result, federation.MaxManifestBytes)
	if err == nil {
		var r opening.Result
		if r, err = opening.DecodeResult(raw); err == nil && r.Train != nil {
			i.Train.TrainResult = *r.Train
		}
	}
	if err != nil {
		return fmt.Errorf("result of round %d: %w", i.Train.Round, err)
	}
	return nil
}

// readLog reads a log from its beginning without a key, verifies it, and shows each entry
// with the state before and after it. It returns the state at the end and the published head.
func readLog(ctx context.Context, b storage.Bucket, pinned federation.Digest, show func(before round.State, e round.Entry, after round.Memo)) (View, error) {
	charter, err := genesisCharter(ctx, b)
	if err != nil {
		return View{}, err
	}
	checkpoint, note, err := roundlog.UnverifiedCheckpoint(ctx, b) // before the batches: they go further
	if err != nil {
		return View{}, err
	}
	known := pinned.IsZero() || pinned == charter.Digest()
	follow := opening.NewCharters(ctx, b, charter)
	v := View{Memo: round.Memo{State: round.State{Charter: charter}},
		Head: federation.TreeHead{Size: checkpoint.Size, Root: federation.Digest(checkpoint.Root)}}
	tree, err := roundlog.Read(ctx, b, charter.LogKey, func(batch roundlog.Batch) error {
		for i, raw := range batch.Entries {
			e, err := round.DecodeEntry(raw)
			if err == nil {
				v.State = follow.Before(v.State, e)
			}
			before := v.State
			if err == nil {
				v.Memo, err = v.Memo.Apply(e)
			}
			if err != nil {
				return fmt.Errorf("entry %d: %w", batch.Size+int64(i), err)
			}
			known = known || (e.Kind == round.CharterSet && e.Blob == pinned)
			show(before, e, v.Memo)
		}
		return nil
	}, follow.Option())
	if err != nil {
		return View{}, err
	}
	if !known {
		return View{}, fmt.Errorf("%w: charter %s, not %s", ErrCharter, v.State.Charter.Digest(), pinned)
	}
	_, err = tree.VerifyCheckpoint(note)
	return v, err
}

// note keeps what a status tells of the past.
func (i *Inspection) note(_ round.State, e round.Entry, after round.Memo) {
	r := after.State.Round
	i.LastEntry = e.Time
	if e.Kind == round.PlanSet {
		i.Skipped = nil
	}
	if e.Skipped {
		if i.Skipped == nil {
			i.Skipped = &Skips{}
		}
		i.Skipped.Count, i.Skipped.Round, i.Skipped.Why = i.Skipped.Count+1, r.Number, e.Reason
	}
	switch {
	case e.Kind == round.Publish && r.Phase == round.Done:
		i.Done++
		if r.Kind == federation.Train {
			i.Train = &LastTrain{Round: r.Number, Result: e.Blob}
		}
	case e.Kind == round.Abandon, e.Kind == round.CharterSet && e.Reason != "":
		i.Abandonments = append(i.Abandonments, Abandonment{Round: r.Number, Kind: r.Kind, Time: e.Time, Reason: e.Reason})
		i.Abandonments = i.Abandonments[max(0, len(i.Abandonments)-maxAbandonments):]
	}
}

// maxAbandonments is how many an Inspection lists.
const maxAbandonments = 5

// genesisCharter reads the charter that the first entry of a log names.
func genesisCharter(ctx context.Context, b storage.Bucket) (federation.Charter, error) {
	raw, err := storage.GetAtMost(ctx, b, storage.Batch(0), roundlog.MaxBatchBytes)
	if errors.Is(err, storage.ErrNotFound) {
		return federation.Charter{}, fmt.Errorf("%w: %w", roundlog.ErrNoLog, err)
	}
	if err != nil {
		return federation.Charter{}, err
	}
	batch, err := roundlog.UnverifiedBatch(raw) // Read verifies it by the charter's key
	if err != nil {
		return federation.Charter{}, fmt.Errorf("%s: %w", storage.Batch(0), err)
	}
	e, err := round.DecodeEntry(batch.Entries[0])
	if err != nil {
		return federation.Charter{}, fmt.Errorf("%s: entry 0: %w", storage.Batch(0), err)
	}
	if raw, err = storage.GetBlob(ctx, b, e.Blob, federation.MaxCharterBytes); err != nil {
		return federation.Charter{}, fmt.Errorf("charter: %w", err)
	}
	return federation.DecodeCharter(raw)
}
