package opening

import (
	"context"
	"fmt"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/privacy/shamir"
	"atrium/storage"
	"atrium/storage/models"
)

// Record is what the store holds of a round whose S is fixed.
type Record struct {
	Round Round
	Sends []ShareSums
	Base  models.Snapshot // empty for statistics
}

// Load reads and verifies what r refers to: header, plan, S, its submissions, the
// share sums, and the base snapshot.
func Load(ctx context.Context, b storage.Bucket, charter federation.Charter, r round.Round) (Record, error) {
	rec, err := LoadMessages(ctx, b, charter, r)
	if err != nil {
		return Record{}, err
	}
	rec.Base, err = Base(ctx, b, rec.Round)
	return rec, err
}

// LoadMessages is Load without the base, which nobody needs until the sum is open and
// which may be the largest of all.
func LoadMessages(ctx context.Context, b storage.Bucket, charter federation.Charter, r round.Round) (Record, error) {
	rec, err := load(ctx, b, charter, r)
	if err != nil {
		return Record{}, fmt.Errorf("load round %d: %w", r.Number, err)
	}
	return rec, nil
}

// Base reads the snapshot that a round's header names; an empty one for statistics.
func Base(ctx context.Context, b storage.Bucket, r Round) (models.Snapshot, error) {
	if r.Header.Base.IsZero() {
		return models.Snapshot{}, nil
	}
	base, err := models.Get(ctx, b, r.Header.Base)
	if err != nil {
		return base, fmt.Errorf("load round %d: %w", r.Header.Round, err)
	}
	return base, nil
}

func load(ctx context.Context, b storage.Bucket, charter federation.Charter, r round.Round) (Record, error) {
	raw, err := storage.GetBlob(ctx, b, r.Candidate, federation.MaxManifestBytes)
	if err != nil {
		return Record{}, err
	}
	candidate, err := federation.DecodeCandidate(raw)
	if err != nil {
		return Record{}, err
	}
	rec := Record{}
	if rec.Round, err = LoadRound(ctx, b, charter, r, candidate); err != nil {
		return rec, err
	}
	return rec, rec.sends(ctx, b, r)
}

// LoadRound reads and verifies what a candidate of a round refers to: header, plan and the
// submissions of its members.
func LoadRound(ctx context.Context, b storage.Bucket, charter federation.Charter, r round.Round, candidate federation.Candidate) (Round, error) {
	out := Round{Charter: charter, Manifest: r.Manifest, Candidate: candidate, Submissions: map[federation.HospitalID]federation.Submission{}}
	var err error
	if out.Header, err = Header(ctx, b, r.Header); err != nil {
		return out, err
	}
	if out.Plan, err = Plan(ctx, b, out.Header.Plan); err != nil {
		return out, err
	}
	for _, group := range candidate.Groups {
		for _, member := range group {
			if out.Submissions[member.Hospital], err = message[federation.Submission](ctx, b, charter, member.Submission); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

func (rec *Record) sends(ctx context.Context, b storage.Bucket, r round.Round) error {
	degree := 1 << rec.Round.Header.Ring.LogN
	for _, held := range r.Sends {
		a, err := message[federation.Send](ctx, b, rec.Round.Charter, held.Blob)
		if err != nil {
			return err
		}
		sums, err := ReadShareSums(a, rec.Round.Candidate.Groups, degree, func(digest federation.Digest) ([]byte, error) {
			return storage.GetBlob(ctx, b, digest, MaxShareSumBytes)
		})
		if err != nil {
			return err
		}
		rec.Sends = append(rec.Sends, sums)
	}
	return nil
}

// ReadShareSums decodes the share sums that a Send names, one for each of these groups that
// has members; get returns the bytes of a digest, at most MaxShareSumBytes of them. Whoever
// signed something that is no share sum sent a wrong one: it is nil in what comes out, and the
// custodian is named when the sum is opened. The signed digest says which bytes these are, so
// that all who derive see the same; an error is only that of get.
func ReadShareSums(s federation.Send, groups [][]federation.Submitter, degree int, get func(federation.Digest) ([]byte, error)) (ShareSums, error) {
	sums := ShareSums{Custodian: s.Custodian, ByGroup: make([][]uint16, len(groups))}
	if len(s.ShareSums) != len(groups) {
		return sums, nil
	}
	for g, digest := range s.ShareSums {
		if digest.IsZero() || len(groups[g]) == 0 {
			continue
		}
		raw, err := get(digest)
		if err != nil {
			return sums, err
		}
		if sum, err := shamir.Unmarshal(raw, degree); err == nil {
			sums.ByGroup[g] = sum
		}
	}
	return sums, nil
}

func message[T envelope.Message](ctx context.Context, b storage.Bucket, c federation.Charter, digest federation.Digest) (T, error) {
	var zero T
	raw, err := storage.GetBlob(ctx, b, digest, federation.MaxMessageBytes)
	if err != nil {
		return zero, err
	}
	m, _, err := envelope.DecodeMessage[T](c, raw)
	return m, err
}

// Header reads a stored header.
func Header(ctx context.Context, b storage.Bucket, digest federation.Digest) (federation.Header, error) {
	raw, err := storage.GetBlob(ctx, b, digest, federation.MaxPlanBytes)
	if err != nil {
		return federation.Header{}, err
	}
	return federation.DecodeHeader(raw)
}

// Plan reads a stored plan.
func Plan(ctx context.Context, b storage.Bucket, digest federation.Digest) (federation.Plan, error) {
	raw, err := storage.GetBlob(ctx, b, digest, federation.MaxPlanBytes)
	if err != nil {
		return federation.Plan{}, err
	}
	return federation.DecodePlan(raw)
}
