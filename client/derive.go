package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"atrium/client/evidence"
	"atrium/client/participant"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/models"
)

// derive computes what followed from an opened candidate: from the version before, C, and the
// share sums, by the same rule as coordinator and auditor. A version that comes out is one
// that this custodian may be ready on; what the log says instead never is.
func (d *Daemon) derive(ctx context.Context, w *atriumpb.Work) error {
	e, _, err := d.checkEntry(w)
	if err != nil {
		return err
	}
	candidate, err := federation.DecodeCandidate(w.GetCandidate())
	if err != nil {
		return err
	}
	if m, _ := d.state.Recall(candidate.Manifest); !holds(m, candidate) && m.Candidate != candidate.Digest() {
		return fmt.Errorf("derive round %d: candidate %s: %w", w.GetRound(), candidate.Digest().Short(), participant.ErrNotReady)
	}
	h, err := d.headerOf(ctx, w, candidate.Manifest)
	if err != nil {
		return err
	}
	if e.Round != h.Round || e.Round != w.GetRound() || e.Kind != round.Publish && !(e.Kind == round.Abandon && e.Failed) {
		return fmt.Errorf("entry %d, %s of round %d, does not say what followed from round %d: %w", w.GetEntryIndex(), e.Kind, e.Round, h.Round, ErrDishonest)
	}
	derived := federation.Derived{V: 1, Round: h.Round, Manifest: candidate.Manifest, Candidate: candidate.Digest(), Custodian: d.self, Plan: h.Plan}
	result, err := d.conclude(ctx, w, h, candidate, &derived)
	if err != nil {
		return fmt.Errorf("derive round %d: %w", h.Round, err)
	}
	if err := d.compareOutcome(ctx, w, e, candidate, derived, result); err != nil {
		return err
	}
	if err := d.forgetSum(ctx, candidate); err != nil {
		return err
	}
	if err := d.concluded(ctx, candidate.Manifest, derived.Result); err != nil {
		return err
	}
	return d.link.send(ctx, "derived", federation.Encode(envelope.SignMessage(d.cfg.Identity, d.cfg.Charter.Federation, derived)))
}

// compareOutcome keeps evidence where the log says that something else followed. What was
// derived is signed and used all the same.
func (d *Daemon) compareOutcome(ctx context.Context, w *atriumpb.Work, e round.Entry, candidate federation.Candidate, derived federation.Derived, result *opening.Result) error {
	var shown []byte
	if result == nil {
		result = &opening.Result{}
	} else {
		shown = federation.Encode(*result)
	}
	if differs := evidence.Outcome(e, derived, *result); len(differs) > 0 {
		return d.keepEvidence(ctx, w, candidate, differs, shown)
	}
	return nil
}

// conclude opens the sum and fills in what follows, with the snapshot in the store; nothing,
// where no group holds.
func (d *Daemon) conclude(ctx context.Context, w *atriumpb.Work, h federation.Header, candidate federation.Candidate, derived *federation.Derived) (*opening.Result, error) {
	r := d.round(h, candidate)
	var err error
	if r.Plan, err = d.planOf(ctx, h); err != nil {
		return nil, err
	}
	if r.Submissions, err = d.submissionsOf(ctx, r); err != nil {
		return nil, err
	}
	sends, err := d.readSends(ctx, w, r)
	if err != nil {
		return nil, err
	}
	base, err := d.storedBase(ctx, h)
	if err != nil {
		return nil, err
	}
	sum, err := opening.Open(ctx, remote{d.store, d.link}, r, sends) // nothing but C is downloaded for a version
	outcome := opening.Outcome{}
	if err == nil {
		outcome, err = opening.Conclude(r, sum, base)
	}
	nothing := errors.Is(err, opening.ErrNotOpened) // a sum that opened and of which nothing follows is an answer
	if c := d.cfg.Charter; (err == nil || nothing) && !sum.Settled(c, len(sends)) {
		return nil, fmt.Errorf("%d share sums are too few to leave a group out: %s", len(sends), sum.Note())
	}
	if nothing {
		return nil, d.persist(participant.NoGroupHeld(d.state, candidate.Manifest, candidate.Digest()))
	}
	if err != nil {
		return nil, err
	}
	derived.Result = federation.Sum(federation.Encode(outcome.Result))
	if outcome.Snapshot == nil {
		return &outcome.Result, nil
	}
	if derived.Snapshot, err = models.Store(ctx, d.store, *outcome.Snapshot); err != nil {
		return nil, fatal{err}
	}
	derived.Version, derived.Parameters, derived.Steps = h.Next(), models.ParametersDigest(*outcome.Snapshot), h.StepsAfter()
	if err := d.persist(participant.TakeSketch(d.state, derived.Parameters, outcome.Sketch)); err != nil {
		return nil, err
	}
	return &outcome.Result, d.persist(participant.TakeBase(d.state, derivedBase(*derived)))
}

// sketchBase makes sure that this custodian can tell how far the base of the live header is
// from those on which sums were opened. One that it did not derive is fetched for it.
func (d *Daemon) sketchBase(ctx context.Context) error {
	h := d.live.header
	if !d.cfg.Charter.Guards(h.Kind) || h.Base.IsZero() || d.state.SketchOf(h.Parameters) != nil {
		return nil
	}
	base, err := d.storedBase(ctx, h)
	if err != nil {
		return err
	}
	return d.persist(participant.TakeSketch(d.state, h.Parameters, opening.Sketch(d.cfg.Charter, base)))
}

// planOf is the plan of a round that this custodian was ready in: the one that is approved here
// now, or the one that was when it joined.
func (d *Daemon) planOf(ctx context.Context, h federation.Header) (federation.Plan, error) {
	if h.Plan == d.cfg.Plan.Digest() {
		return d.cfg.Plan, nil
	}
	raw, err := d.link.fetch(ctx, h.Plan, federation.MaxPlanBytes)
	if err != nil {
		return federation.Plan{}, err
	}
	return federation.DecodePlan(raw)
}

// submissionsOf returns the signed submissions of a candidate, which say what was declared.
func (d *Daemon) submissionsOf(ctx context.Context, r opening.Round) (map[federation.HospitalID]federation.Submission, error) {
	list := map[federation.HospitalID]federation.Submission{}
	if r.Plan.Privacy.Weight != federation.WeightBands {
		return list, nil
	}
	for _, group := range r.Candidate.Groups {
		for _, m := range group {
			s, err := d.submissionOf(ctx, m)
			if err != nil {
				return nil, err
			}
			list[m.Hospital] = s
		}
	}
	return list, nil
}

func (d *Daemon) submissionOf(ctx context.Context, m federation.Submitter) (federation.Submission, error) {
	raw, err := d.link.fetch(ctx, m.Submission, federation.MaxMessageBytes)
	if err != nil {
		return federation.Submission{}, err
	}
	s, _, err := envelope.DecodeMessage[federation.Submission](d.cfg.Charter, raw)
	if err != nil || s.Hospital != m.Hospital {
		return s, fmt.Errorf("submission of %s: %w", m.Hospital, errors.Join(ErrDishonest, err))
	}
	return s, nil
}

// readSends verifies what custodians sent for a candidate and fetches their share sums.
func (d *Daemon) readSends(ctx context.Context, w *atriumpb.Work, r opening.Round) ([]opening.ShareSums, error) {
	var sends []opening.ShareSums
	seen := map[federation.HospitalID]bool{}
	for _, signed := range w.GetSends() {
		s, _, err := envelope.DecodeMessage[federation.Send](d.cfg.Charter, signed)
		if err != nil {
			return nil, err
		}
		if _, ok := d.cfg.Charter.Point(s.Custodian); !ok || seen[s.Custodian] || s.Candidate != r.Candidate.Digest() {
			return nil, fmt.Errorf("send of %s for candidate %s: %w", s.Custodian, s.Candidate.Short(), ErrDishonest)
		}
		seen[s.Custodian] = true
		sums, err := opening.ReadShareSums(s, r.Candidate.Groups, 1<<r.Header.Ring.LogN, func(digest federation.Digest) ([]byte, error) {
			return d.link.fetch(ctx, digest, opening.MaxShareSumBytes)
		})
		if err != nil {
			return nil, err
		}
		sends = append(sends, sums)
	}
	if len(sends) < d.cfg.Charter.Threshold {
		return nil, fmt.Errorf("%d of %d share sums: %w", len(sends), d.cfg.Charter.Threshold, ErrDishonest)
	}
	return sends, nil
}

// storedBase is the snapshot that a header names, which this custodian derived itself or for
// which f+1 custodians signed; only the latter is ever downloaded.
func (d *Daemon) storedBase(ctx context.Context, h federation.Header) (models.Snapshot, error) {
	b := participant.BaseOf(h)
	if !d.state.HasBase(b) {
		return models.Snapshot{}, fmt.Errorf("version %d, snapshot %s: %w", b.Version, b.Snapshot.Short(), participant.ErrBase)
	}
	if b.Snapshot.IsZero() {
		return models.Snapshot{}, nil
	}
	_, err := d.store.Stat(ctx, storage.ModelSegment(b.Snapshot))
	if errors.Is(err, storage.ErrNotFound) {
		raw, err := d.link.fetch(ctx, b.Snapshot, models.MaxSnapshotBytes)
		if err != nil {
			return models.Snapshot{}, err
		}
		if err := storage.PutOnce(ctx, d.store, storage.ModelSegment(b.Snapshot), raw); err != nil {
			return models.Snapshot{}, fatal{err}
		}
	} else if err != nil {
		return models.Snapshot{}, fatal{err}
	}
	return models.Get(ctx, d.store, b.Snapshot)
}

// takeSigned takes up the versions with these numbers for which f+1 custodians signed that they
// derived them, if they did; whoever needs another refuses. One that this hospital has is left
// as it is.
func (d *Daemon) takeSigned(w *atriumpb.Work, numbers ...uint64) error {
	signers := map[participant.Base]map[federation.HospitalID]bool{}
	for _, m := range d.derivedWords(w) {
		b := derivedBase(m)
		if m.Version == 0 || !slices.Contains(numbers, m.Version) || d.state.HasBase(b) {
			continue
		}
		if signers[b] == nil {
			signers[b] = map[federation.HospitalID]bool{}
		}
		signers[b][m.Custodian] = true
		if len(signers[b]) > d.cfg.Charter.MaxHostile {
			if err := d.persist(participant.TakeBase(d.state, b)); err != nil {
				return err
			}
		}
	}
	return nil
}

// derivedBase is the version of a custodian's word.
func derivedBase(m federation.Derived) participant.Base {
	return participant.Base{Version: m.Version, Snapshot: m.Snapshot, Parameters: m.Parameters, Plan: m.Plan, Steps: m.Steps}
}

// mayStart takes up what custodians signed about the base of the round joined and about the
// newest version, and refuses a round that starts from what it must not, before anything of the
// base is decoded: on a made-up one whether training fails is an answer too.
func (d *Daemon) mayStart(w *atriumpb.Work) error {
	if err := d.takeSigned(w, d.state.Live.Base.Version, d.state.Live.Newest); err != nil {
		return err
	}
	return participant.MayStart(d.state)
}

// derivedWords is what custodians of the charter signed about a version. What somebody signed
// who was removed since, or what is worth nothing, is in nobody's way.
func (d *Daemon) derivedWords(w *atriumpb.Work) []federation.Derived {
	var words []federation.Derived
	for _, signed := range w.GetDerived() {
		m, _, err := envelope.DecodeMessage[federation.Derived](d.cfg.Charter, signed)
		if _, custodian := d.cfg.Charter.Point(m.Custodian); err == nil && custodian {
			words = append(words, m)
		}
	}
	return words
}

// mustHave refuses a version that this hospital neither derived nor has by the word of f+1
// custodians.
func (d *Daemon) mustHave(w *atriumpb.Work, b participant.Base) error {
	if err := d.takeSigned(w, b.Version); err != nil {
		return err
	}
	if !d.state.HasBase(b) {
		return fmt.Errorf("version %d, snapshot %s: %w", b.Version, b.Snapshot.Short(), participant.ErrBase)
	}
	return nil
}
