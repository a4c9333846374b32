package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/models"
)

// checkPublish checks what a round published. Whether it follows from the ciphertexts is
// what Replay finds out.
func (c *checker) checkPublish(ctx context.Context, s step) error {
	c.report.Done++
	raw, err := c.blob(ctx, s.entry.Blob, federation.MaxManifestBytes, s.name())
	if err != nil {
		return err
	}
	result, err := opening.DecodeResult(raw)
	if err != nil {
		return s.wrong(err)
	}
	if err := c.checkResult(s, result); err != nil {
		return err
	}
	if !c.deep {
		return nil
	}
	if s.entry.Version == 0 {
		return nil
	}
	if err := c.checkSnapshot(ctx, s); err != nil {
		return err
	}
	return c.checkCard(ctx, card{s: s, want: opening.Card(c.now.header, result, s.entry, s.index)})
}

// checkResult compares a result with the entry, the round and S.
func (c *checker) checkResult(s step, r opening.Result) error {
	e, state := s.entry, s.before.Round
	_, both := overlap(e.Hospitals, e.Custodians)
	switch {
	case r.V != 1 || r.Round != e.Round || r.Kind != state.Kind || r.Part != state.Part.Month || r.Manifest != state.Manifest:
		return s.contrary("it is of round %d, %s %s, manifest %s", r.Round, r.Kind, r.Part, r.Manifest.Short())
	case len(r.Groups) != len(c.charter.Groups):
		return s.contrary("%d groups: the charter has %d", len(r.Groups), len(c.charter.Groups))
	case (e.Version == 0) != (r.Kind == federation.Evaluate) || (e.Version == 0) != e.Snapshot.IsZero():
		return s.contrary("a %s round publishes version %d", r.Kind, e.Version)
	case !sameMetric(e.Metric, r.Evaluation.Metric(s.before.Schedule.Stop.Metric)):
		return s.contrary("the entry has another %s for the stop rule", s.before.Schedule.Stop.Metric)
	case both:
		return s.contrary("a custodian's share sums are said to be right and wrong")
	}
	total, kept := 0, []int(nil)
	for g, group := range r.Groups {
		if group.Reason == "" {
			kept = append(kept, g)
		}
		if group.Group != g || group.Submitters < 0 || (group.Reason == "" && group.Submitters != len(state.S[g])) ||
			(group.Reason != "" && group.Submitters != 0) {
			return s.contrary("group %d with %d submitters: S has %d", g, group.Submitters, len(state.S[g]))
		}
		total += group.Submitters
	}
	if r.Submitters != total || !slices.Equal(kept, e.Groups) {
		return s.contrary("%d submitters in groups %v: its groups %v have %d", r.Submitters, e.Groups, kept, total)
	}
	for _, id := range slices.Concat(e.Hospitals, e.Custodians) {
		if !slices.ContainsFunc(state.Sends, func(h round.Held) bool { return h.Hospital == id }) {
			return s.contrary("share sums of %s, which sent none", id)
		}
	}
	return nil
}

func sameMetric(a, b *float64) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func overlap(a, b []federation.HospitalID) (federation.HospitalID, bool) {
	for _, id := range a {
		if slices.Contains(b, id) {
			return id, true
		}
	}
	return "", false
}

func (c *checker) checkSnapshot(ctx context.Context, s step) error {
	object, what := storage.ModelSegment(s.entry.Snapshot), snapshotName(s.entry)
	raw, err := c.object(ctx, object, s.entry.Snapshot, models.MaxSnapshotBytes, what)
	if err != nil {
		return err
	}
	snapshot, err := models.Decode(raw)
	if err != nil {
		return wrong(object, what, err)
	}
	if got := models.ParametersDigest(snapshot); got != s.entry.Parameters {
		return contrary(object, what, "its parameters are %s, the log says %s", got.Short(), s.entry.Parameters.Short())
	}
	c.newest = newest{s.entry.Snapshot, snapshot.Metadata}
	return nil
}

func snapshotName(e round.Entry) string {
	return fmt.Sprintf("snapshot of version %d, from round %d", e.Version, e.Round)
}

// card is what the card of a version must say.
type card struct {
	s    step
	want models.Card
}

func (k card) object() string { return storage.Card(k.want.Version) }
func (k card) what() string   { return fmt.Sprintf("card of version %d", k.want.Version) }

// checkCard checks a version's card. It is written after the entry that it describes, so
// the newest one may be missing until the next round opens.
func (c *checker) checkCard(ctx context.Context, k card) error {
	raw, err := storage.GetAtMost(ctx, c.bucket, k.object(), models.MaxCardBytes)
	if errors.Is(err, storage.ErrNotFound) {
		c.card = &k
		return nil
	}
	if err != nil {
		return unread(k.object(), k.what(), err)
	}
	signed, err := models.DecodeSignedCard(raw)
	if err != nil {
		return wrong(k.object(), k.what(), err)
	}
	got, err := signed.Open(func(body, signature []byte) error {
		return envelope.VerifyCard(c.charter.LogKey, c.charter.Federation, body, signature)
	})
	if err != nil {
		return wrong(k.object(), k.what(), err)
	}
	if have, want := federation.Encode(got), federation.Encode(k.want); string(have) != string(want) {
		return contrary(k.object(), k.what(), "it says %s, the log %s", have, want)
	}
	c.report.Objects++
	c.report.Bytes += int64(len(raw))
	return nil
}

// cardIsLate: the coordinator writes a card before it goes on.
func (c *checker) cardIsLate() error {
	if c.card == nil {
		return nil
	}
	return wrong(c.card.object(), c.card.what(), fmt.Errorf("%s: %w", c.card.object(), storage.ErrNotFound))
}

// checkFinish: a plan ends when its schedule or its stop rule says so, and for that reason.
func (c *checker) checkFinish(_ context.Context, s step) error {
	kind, end := s.before.Next()
	if end == "" && kind != "" {
		end = c.answeredBefore(s, kind)
	}
	switch {
	case end == "":
		return contrary(s.batch, s.name(), "it ends the plan after %d of %d train rounds: no rule of the plan does", s.before.Trained, s.before.Schedule.Rounds)
	case end != s.entry.Reason:
		return contrary(s.batch, s.name(), "its reason is %q: the log before gives %q", s.entry.Reason, end)
	}
	return nil
}

// answeredBefore is why a plan ends though its schedule goes on: what the next round would ask
// was answered.
func (c *checker) answeredBefore(s step, kind federation.RoundKind) string {
	return s.before.AnsweredBefore(kind, c.plan.Questions(kind, s.before.Model.Parameters))
}

func (c *checker) checkAbandon(_ context.Context, _ step) error {
	c.report.Abandoned++
	return nil
}
