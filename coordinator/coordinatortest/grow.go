// Package coordinatortest makes federations with long logs for tests: rounds in which
// hospitals join and decline, so that every entry, message and signature is a true one
// and none costs a ciphertext. It is no part of the product.
package coordinatortest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"time"

	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/roundlog"
)

// Start is when the federations of this package begin.
var Start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Federation is a federation whose hospitals' keys a test holds.
type Federation struct {
	Bucket    storage.Bucket
	Key       *roundlog.Key
	Charter   federation.Charter
	Plan      federation.Plan
	Hospitals map[federation.HospitalID]ed25519.PrivateKey
	Reason    string // of their declines
}

// New makes a bucket hold a new federation with keys that are the same in every run.
func New(ctx context.Context, bucket storage.Bucket, hospitals int) (*Federation, error) {
	f := &Federation{Bucket: bucket, Plan: plan(), Hospitals: map[federation.HospitalID]ed25519.PrivateKey{}, Reason: "fewer than 10 eligible records"}
	seed := sha256.Sum256([]byte("log"))
	var err error
	if f.Key, err = roundlog.GenerateKey("atrium/test", &fixed{seed[:]}); err != nil {
		return nil, err
	}
	var members []federation.Member
	for i := range hospitals {
		seed := sha256.Sum256(fmt.Append(nil, "hospital ", i))
		key := ed25519.NewKeyFromSeed(seed[:])
		public := key.Public().(ed25519.PublicKey)
		id := federation.NewHospitalID("test", public)
		f.Hospitals[id] = key
		members = append(members, federation.Member{ID: id, IdentityKey: public, TLSKey: federation.Sum(public)})
	}
	if f.Charter, err = federation.NewCharter("test", f.Key.Verifier(), members, false); err != nil {
		return nil, err
	}
	f.Charter = f.Charter.With(federation.Tolerant(hospitals, 1))
	return f, coordinator.Create(ctx, f.Config(), f.countersignatures(), f.Plan)
}

// fixed is a reader of as many bytes as it has.
type fixed struct{ rest []byte }

func (f *fixed) Read(p []byte) (int, error) {
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// Config is what its coordinator is opened with; its clock stands still.
func (f *Federation) Config() coordinator.Config {
	return coordinator.Config{Bucket: f.Bucket, Key: f.Key, Charter: f.Charter, Now: func() time.Time { return Start }}
}

func plan() federation.Plan {
	return federation.Plan{V: 1, Name: "test", Model: federation.Model{Kind: federation.Logistic},
		Features:    []federation.Feature{{Name: "age", Min: 18, Max: 100, Missing: federation.MissingMean}},
		Label:       federation.Label{Name: "disease"},
		Local:       federation.Local{Optimiser: "sgd", LearningRate: 0.1, Steps: 1},
		Aggregation: federation.Aggregation{Rule: "fedavg", LearningRate: 1},
		Privacy:     federation.Privacy{Bits: 16, Clip: 1, WeightCap: 100, MinRecords: 10},
		Schedule:    federation.Schedule{Rounds: 2, GatherSeconds: 60, UpdateSeconds: 60, OpenSeconds: 60, GraceSeconds: 10}}
}

func (f *Federation) countersignatures() federation.Countersignatures {
	body := federation.Encode(f.Charter)
	signed := federation.Countersignatures{V: 1, Charter: f.Charter.Digest()}
	for _, m := range f.Charter.Members {
		signed.Signatures = append(signed.Signatures, federation.Countersignature{Signer: m.ID,
			Signature: envelope.Sign(f.Hospitals[m.ID], envelope.Charter, f.Charter.Federation, m.ID, body)})
	}
	return signed
}

// Grow appends at least n entries, each a batch of its own, in rounds that gather and are
// abandoned. Every stateEvery-th batch begins with a state entry, as a coordinator's does;
// 0 means none, as in the log of a program that knew none. The last round is abandoned.
func (f *Federation) Grow(ctx context.Context, n int, stateEvery int64) error {
	g := grower{Federation: f, every: stateEvery, now: Start, custodian: map[federation.HospitalID]*envelope.PrivateKey{}}
	if err := g.open(ctx); err != nil {
		return err
	}
	for _, id := range f.Charter.Custodians {
		key, err := envelope.NewKey() // one for all rounds: nothing is ever sealed to it
		if err != nil {
			return err
		}
		g.custodian[id] = key
	}
	for end := g.memo.Size + int64(n); g.memo.Size < end; {
		if err := g.round(ctx); err != nil {
			return fmt.Errorf("round %d: %w", g.memo.State.Round.Number, err)
		}
	}
	_, _, _, err := g.log.Publish(ctx)
	return err
}

// grower is a coordinator and its hospitals in one.
type grower struct {
	*Federation
	log       *roundlog.Log
	memo      round.Memo
	head      federation.TreeHead // of the published checkpoint
	every     int64
	now       time.Time
	counter   uint64
	custodian map[federation.HospitalID]*envelope.PrivateKey
}

func (g *grower) open(ctx context.Context) (err error) {
	g.memo.State.Charter = g.Charter
	g.log, err = roundlog.Open(ctx, g.Bucket, g.Key, func(b roundlog.Batch) error {
		for _, raw := range b.Entries {
			e, err := round.DecodeEntry(raw)
			if err != nil {
				return err
			}
			if g.memo, err = g.memo.Apply(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && g.memo.State.Latest != nil {
		g.counter = g.memo.State.Latest[0].Counter
	}
	if err == nil {
		err = g.publish(ctx)
	}
	return err
}

func (g *grower) publish(ctx context.Context) error {
	_, size, root, err := g.log.Publish(ctx)
	g.head = federation.TreeHead{Size: size, Root: federation.Digest(root)}
	return err
}

// round is one round: all join, then enough decline to defeat it.
func (g *grower) round(ctx context.Context) error {
	header, err := g.header(ctx)
	if err != nil {
		return err
	}
	checkpoint, err := g.log.CheckpointAt(ctx, g.head.Size)
	if err != nil {
		return err
	}
	g.counter++
	for _, m := range g.Charter.Members {
		line, err := roundlog.Cosign(checkpoint, string(m.ID), g.Hospitals[m.ID], g.now)
		if err != nil {
			return err
		}
		join := federation.Join{V: 1, Header: header, Hospital: m.ID, Cosignature: string(line), Counter: g.counter}
		if key := g.custodian[m.ID]; key != nil {
			join.Key = key.Public()
		}
		digest, err := message(ctx, g, m.ID, join)
		if err != nil {
			return err
		}
		if err := g.commit(ctx, round.JoinVerified{VerifiedJoin: federation.VerifiedJoin{Join: join, Blob: digest}}); err != nil {
			return err
		}
	}
	for _, m := range g.Charter.Members[:len(g.Charter.Members)-g.Charter.MinCohort+1] {
		decline := federation.Decline{V: 1, Header: header, Hospital: m.ID, Role: federation.RoleUpdate, Reason: g.Reason}
		digest, err := message(ctx, g, m.ID, decline)
		if err != nil {
			return err
		}
		if err := g.commit(ctx, round.DeclineVerified{Decline: decline, Blob: digest}); err != nil {
			return err
		}
	}
	g.now = g.now.Add(64 * time.Second) // the longest delay of the next round
	return g.commit(ctx, round.RoundDefeated{Round: g.memo.State.Round.Number})
}

func (g *grower) header(ctx context.Context) (federation.Digest, error) {
	g.now = g.now.Add(64 * time.Second)
	s, c := g.memo.State, g.Charter
	kind, _ := s.Next()
	format := g.Plan.Format(kind)
	ring, err := opening.Ring(format.Count(), c.LargestGroup(), format.Bits)
	if err != nil {
		return federation.Digest{}, err
	}
	h := s.OnBase(federation.Header{V: 1, Federation: c.Federation, Round: s.Round.Number + 1, Kind: kind, Plan: s.Plan,
		CharterEpoch: c.Epoch, Charter: c.Digest(), Threshold: c.Threshold, MaxHostile: c.MaxHostile, MaxHostileMembers: c.MaxHostileMembers, MinCohort: c.MinCohort,
		Questions: g.Plan.Questions(kind, s.Model.Parameters), Format: format, Ring: ring, Checkpoint: g.head,
		GatherBy: federation.FormatTime(g.now.Add(time.Minute))})
	digest, err := storage.PutBlob(ctx, g.Bucket, federation.Encode(h))
	if err != nil {
		return digest, err
	}
	return digest, g.commit(ctx, round.HeaderStored{Header: h, Blob: digest})
}

// message signs and stores what a hospital says.
func message[T envelope.Message](ctx context.Context, g *grower, id federation.HospitalID, m T) (federation.Digest, error) {
	return storage.PutBlob(ctx, g.Bucket, federation.Encode(envelope.SignMessage(g.Hospitals[id], g.Charter.Federation, m)))
}

// commit appends what an event causes, as a batch.
func (g *grower) commit(ctx context.Context, ev round.Event) error {
	w := round.When{Now: g.now}
	entries, err := round.Decide(g.memo.State, ev, w)
	if err != nil {
		return err
	}
	if g.every > 0 && g.log.Next()%g.every == 0 {
		stated, blob := round.StateEntry(g.memo, w)
		if err := g.publish(ctx); err != nil {
			return err
		}
		if _, err := storage.PutBlob(ctx, g.Bucket, blob); err != nil {
			return err
		}
		entries = append([]round.Entry{stated}, entries...)
	}
	var raw [][]byte
	for _, e := range entries {
		if g.memo, err = g.memo.Apply(e); err != nil {
			return err
		}
		raw = append(raw, e.Encode())
	}
	_, err = g.log.Append(ctx, g.memo.State.Epoch, w.Now, raw)
	return err
}
