package coordinator

import (
	"context"
	"errors"
	"fmt"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/roundlog"
)

// ErrEpoch: the log is at another epoch than the charter that this coordinator was given.
var ErrEpoch = errors.New("the charter is not that of the log's epoch")

// charters begins with the charter of epoch 1, to which the one in force leads back.
func charters(ctx context.Context, b storage.Bucket, inForce federation.Charter) (*opening.Charters, round.State, error) {
	line, err := opening.Line(ctx, b, inForce)
	if err != nil {
		return nil, round.State{}, err
	}
	return opening.NewCharters(ctx, b, line[0]), round.State{Charter: line[0]}, nil
}

// checkEpoch compares the charter at the end of the log with the one that was given.
func checkEpoch(s round.State, given federation.Charter) error {
	if s.Charter.Digest() == given.Digest() {
		return nil
	}
	todo := "start again with the charter of the log, which atrium coordinator charter install writes"
	if s.Charter.Epoch < given.Epoch {
		todo = "the log goes over with atrium coordinator charter install"
	}
	return fmt.Errorf("%w: the log is at epoch %d, charter %s; the one given is of epoch %d, %s: %s",
		ErrEpoch, s.Charter.Epoch, s.Charter.Digest().Short(), given.Epoch, given.Digest().Short(), todo)
}

// Installed is a charter that is in the log.
type Installed struct {
	Charter           federation.Charter
	Countersignatures federation.Countersignatures
	Index             int64 // of the entry
}

// Install begins the next epoch of a log that no coordinator leads: it stores the charter
// with all that it rests on and commits the entry that names it, signed by the key of the
// new charter. cfg has that key and the charter before. Once the entry is committed the
// epoch is; to install the same terms again changes nothing and returns what the log has.
func Install(ctx context.Context, cfg Config, next envelope.Assembled) (Installed, error) {
	switch {
	case cfg.Bucket == nil || cfg.Key == nil:
		return Installed{}, errors.New("no storage or no log key")
	case cfg.Key.Verifier() != next.Charter.LogKey:
		return Installed{}, fmt.Errorf("log key %s is not that of the next charter, %s", cfg.Key, next.Charter.LogKey)
	}
	cfg = cfg.withDefaults()
	follow, state, err := charters(ctx, cfg.Bucket, cfg.Charter)
	if err != nil {
		return Installed{}, err
	}
	out := Installed{}
	signed := federation.Digest{}
	log, err := roundlog.Open(ctx, cfg.Bucket, cfg.Key, func(b roundlog.Batch) error {
		for i, raw := range b.Entries {
			e, err := round.DecodeEntry(raw)
			if err == nil {
				state, err = round.Apply(follow.Before(state, e), e)
			}
			if err != nil {
				return fmt.Errorf("entry %d: %w", b.Size+int64(i), err)
			}
			if e.Kind == round.CharterSet {
				out.Index, signed = b.Size, e.Attachment
			}
		}
		return nil
	}, follow.Option())
	if err != nil {
		return out, err
	}
	if state.Charter.Terms().Digest() == next.Charter.Terms().Digest() {
		raw, err := storage.GetBlob(ctx, cfg.Bucket, signed, federation.MaxCharterBytes)
		if err != nil {
			return out, err
		}
		out.Charter = state.Charter
		if out.Countersignatures, err = federation.Decode[federation.Countersignatures](raw, federation.MaxCharterBytes); err != nil {
			return out, err
		}
	} else {
		if err := checkEpoch(state, cfg.Charter); err != nil {
			return out, err
		}
		if out.Index, err = commitCharter(ctx, cfg, log, state, next); err != nil {
			return out, err
		}
		out.Charter, out.Countersignatures = next.Charter, next.Countersignatures
	}
	_, _, _, err = log.Publish(ctx)
	return out, err
}

// commitCharter stores what the entry names, reads it back as everybody will, and commits.
func commitCharter(ctx context.Context, cfg Config, log *roundlog.Log, state round.State, next envelope.Assembled) (int64, error) {
	for _, blob := range append([][]byte{federation.Encode(next.Charter), federation.Encode(next.Countersignatures)}, next.Statements...) {
		if _, err := storage.PutBlob(ctx, cfg.Bucket, blob); err != nil {
			return 0, err
		}
	}
	signed := federation.Sum(federation.Encode(next.Countersignatures))
	coming, err := opening.NextCharter(ctx, cfg.Bucket, state.Charter, next.Charter.Digest(), signed)
	if err != nil {
		return 0, err
	}
	state.Coming = &coming
	w := round.When{Now: cfg.Now()}
	entries, err := round.Decide(state, round.CharterVerified{Charter: next.Charter.Digest(), Countersignatures: signed}, w)
	if err != nil {
		return 0, err
	}
	after, err := round.Apply(state, entries[0])
	if err != nil {
		return 0, err
	}
	return log.Append(ctx, after.Epoch, w.Now, [][]byte{entries[0].Encode()})
}
