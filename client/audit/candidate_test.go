package audit

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
)

// signedIn reads the message that the first entry that matches names, and its signer.
func signedIn[T envelope.Message](t testing.TB, fx fixture, match func(round.Entry) bool) (T, round.Entry, *hospital) {
	t.Helper()
	e, _ := fx.find(t, match)
	m, _, err := envelope.DecodeMessage[T](fx.charter, fx.blob(t, e.Blob))
	if err != nil {
		t.Fatal(err)
	}
	return m, e, fx.hospitals[slices.IndexFunc(fx.hospitals, func(h *hospital) bool { return h.id == e.Hospital })]
}

// instead is the store whose log names another object where it named this one.
func (fx fixture) instead(t testing.TB, old, other federation.Digest) storage.Bucket {
	t.Helper()
	return fx.rewrite(t, edit(fx.batches(t), func(e round.Entry) bool { return e.Blob == old }, func(e *round.Entry) { e.Blob = other }))
}

// TestStandingCandidateIsCosigned: what is summed counts because t custodians cosigned a
// checkpoint that holds the entry which names it, in every round that published.
func TestStandingCandidateIsCosigned(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	index, candidate, stood := int64(0), int64(-1), 0
	covered := map[federation.HospitalID]bool{}
	for _, g := range fx.batches(t) {
		for _, e := range g.entries {
			switch e.Kind {
			case round.Candidate:
				candidate, covered = index, map[federation.HospitalID]bool{}
			case round.Ready:
				r, _, err := envelope.DecodeMessage[federation.Ready](fx.charter, fx.blob(t, e.Blob))
				if err != nil {
					t.Fatal(err)
				}
				covered[r.Custodian] = r.Checkpoint.Size > candidate
			case round.Publish:
				n := 0
				for _, has := range covered {
					if has {
						n++
					}
				}
				if n < fx.charter.Threshold {
					t.Errorf("round %d: %d custodians cosigned entry %d", e.Round, n, candidate)
				}
				stood++
			}
			index++
		}
	}
	if stood != 5 {
		t.Errorf("%d rounds published", stood)
	}
}

// TestForgedReady: a custodian's own word, but on another candidate, of other questions, or
// under a checkpoint that does not hold the candidate.
func TestForgedReady(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	ready, e, h := signedIn[federation.Ready](t, fx, is(round.Ready, 7))
	_, at := fx.find(t, is(round.Candidate, 7))
	for what, lie := range map[string]struct {
		change func(*federation.Ready)
		want   string
	}{
		"another candidate":     {func(r *federation.Ready) { r.Candidate[3] ^= 1 }, "it names candidate"},
		"another manifest":      {func(r *federation.Ready) { r.Manifest[3] ^= 1 }, "it names candidate"},
		"other questions":       {func(r *federation.Ready) { r.Asks[3] ^= 1 }, "it is for other questions or another set"},
		"before the candidate":  {func(r *federation.Ready) { r.Checkpoint.Size = at }, "is not between the candidate"},
		"after itself":          {func(r *federation.Ready) { r.Checkpoint.Size += 100 }, "is not between the candidate"},
		"a complaint kept back": {func(r *federation.Ready) { r.Unreadable = []federation.HospitalID{fx.hospitals[1].id} }, "the entry has other complaints"},
		"another's cosignature": {func(r *federation.Ready) { r.Cosignature = strings.ToUpper(r.Cosignature) }, "cosignature of the checkpoint"},
	} {
		other := ready
		lie.change(&other)
		digest := fx.put(t, envelope.SignMessage(h.key, "test", other))
		_, err := Verify(t.Context(), fx.instead(t, e.Blob, digest), Options{})
		checkProblem(t, err, storage.Blob(digest))
		if !strings.Contains(err.Error(), lie.want) {
			t.Errorf("%s: %v, want %q", what, err, lie.want)
		}
	}
}

// TestSendBeforeReadies: share sums stand in the log before t custodians were ready, or
// under a checkpoint that does not hold what they were sent under.
func TestSendBeforeReadies(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	send, e, h := signedIn[federation.Send](t, fx, is(round.Send, 7))
	_, at := fx.find(t, is(round.Candidate, 7))
	early := send
	early.Checkpoint.Size = at + 1 // the candidate is in it, the readies are not
	digest := fx.put(t, envelope.SignMessage(h.key, "test", early))
	_, err := Verify(t.Context(), fx.instead(t, e.Blob, digest), Options{})
	checkProblem(t, err, storage.Blob(digest))
	if !strings.Contains(err.Error(), "with which custodians were ready, and itself") {
		t.Errorf("a checkpoint without the readies: %v", err)
	}
	taken, groups := 0, fx.batches(t)
	for i, g := range groups { // of t = 3 readies two are left
		groups[i].entries = slices.DeleteFunc(slices.Clone(g.entries), func(e round.Entry) bool {
			if !is(round.Ready, 7)(e) || taken == 2 {
				return false
			}
			taken++
			return true
		})
	}
	groups = slices.DeleteFunc(groups, func(g group) bool { return len(g.entries) == 0 })
	for name, run := range both(t, fx.rewrite(t, groups)) {
		if err := run(); !errors.Is(err, round.ErrEntry) || !strings.Contains(err.Error(), "before 3 custodians are ready") {
			t.Errorf("%s without %d readies: %v", name, taken, err)
		}
	}
}

// both is verify and replay of a store.
func both(t testing.TB, store storage.Bucket) map[string]func() error {
	return map[string]func() error{
		"verify": func() error { _, err := Verify(t.Context(), store, Options{}); return err },
		"replay": func() error { _, err := Replay(t.Context(), store, Options{}); return err },
	}
}

// TestAnotherSubmission: a candidate sums what no entry acknowledges.
func TestAnotherSubmission(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	list, e := fx.lastCandidate(t, 7)
	earlier, _ := fx.find(t, is(round.Update, 6))
	list.Groups[0] = slices.Clone(list.Groups[0])
	list.Groups[0][1].Submission = earlier.Blob
	digest := fx.put(t, list)
	for name, run := range both(t, fx.instead(t, e.Blob, digest)) {
		err := run()
		checkProblem(t, err, storage.Blob(digest))
		if !errors.Is(err, ErrContent) || !strings.Contains(err.Error(), "was not acknowledged") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAnotherC: the coordinator names as C what the ciphertexts do not add up to. Who checks
// the log alone cannot see it; who adds does.
func TestAnotherC(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	list, e := fx.lastCandidate(t, 6)
	other, _ := fx.lastCandidate(t, 4)
	list.Sums = slices.Clone(other.Sums)
	digest := fx.put(t, list)
	lie := upTo(edit(fx.batches(t), is(round.Candidate, 6), func(e *round.Entry) { e.Blob = digest }), is(round.Candidate, 6))
	if _, err := Verify(t.Context(), fx.rewrite(t, lie), Options{}); err != nil {
		t.Errorf("verify a C that is not the sum: %v", err)
	}
	if _, err := Verify(t.Context(), fx.instead(t, e.Blob, digest), Options{}); err == nil || !strings.Contains(err.Error(), "it names candidate") {
		t.Errorf("verify beside the readies of custodians: %v", err)
	}
	_, err := Replay(t.Context(), fx.agreeing(t, 6, digest), Options{})
	checkProblem(t, err, storage.Blob(digest))
	if !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), "the ciphertexts add up to") {
		t.Errorf("replay: %v", err)
	}
}

// agreeing is a log up to a round's publication in which all custodians are hostile: they
// are ready and send for another candidate, under checkpoints of this very log.
func (fx fixture) agreeing(t testing.TB, number uint64, other federation.Digest) storage.Bucket {
	t.Helper()
	groups := upTo(fx.batches(t), isPublish(number))
	size := int64(0)
	for i := range groups {
		groups[i].entries = slices.Clone(groups[i].entries)
		for j, e := range groups[i].entries {
			if e.Round == number {
				switch e.Kind {
				case round.Candidate:
					groups[i].entries[j].Blob = other
				case round.Ready, round.Send:
					groups[i].entries[j].Blob = fx.hostile(t, e, groups, size, other)
				}
			}
		}
		size += int64(len(groups[i].entries))
	}
	return fx.rewrite(t, groups)
}

// hostile signs a ready or a send for another candidate under the checkpoint of the first
// size entries, which are final.
func (fx fixture) hostile(t testing.TB, e round.Entry, groups []group, size int64, candidate federation.Digest) federation.Digest {
	t.Helper()
	h := fx.hospitals[slices.IndexFunc(fx.hospitals, func(h *hospital) bool { return h.id == e.Hospital })]
	head, line := fx.headOf(t, h, groups, size)
	raw := fx.blob(t, e.Blob)
	if e.Kind == round.Ready {
		r, _, err := envelope.DecodeMessage[federation.Ready](fx.charter, raw)
		if err != nil {
			t.Fatal(err)
		}
		r.Candidate, r.Checkpoint, r.Cosignature = candidate, head, line
		return fx.put(t, envelope.SignMessage(h.key, "test", r))
	}
	s, _, err := envelope.DecodeMessage[federation.Send](fx.charter, raw)
	if err != nil {
		t.Fatal(err)
	}
	s.Candidate, s.Checkpoint, s.Cosignature = candidate, head, line
	return fx.put(t, envelope.SignMessage(h.key, "test", s))
}

// headOf is the checkpoint of the first size entries, cosigned by a hospital.
func (fx fixture) headOf(t testing.TB, h *hospital, groups []group, size int64) (federation.TreeHead, string) {
	t.Helper()
	var before []group
	left := size
	for _, g := range groups {
		if left == 0 {
			break
		}
		before = append(before, g)
		left -= int64(len(g.entries))
	}
	note, err := fx.rewrite(t, before).Get(t.Context(), storage.Checkpoint, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	head, line, err := h.cosign(note)
	if err != nil {
		t.Fatal(err)
	}
	return head, line
}

// TestAnotherList: what a candidate names as C is a list of no segments.
func TestAnotherList(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	list, e := fx.lastCandidate(t, 7)
	list.Sums = []federation.Digest{fx.put(t, opening.List{V: 1})}
	digest := fx.put(t, list)
	for name, run := range both(t, fx.instead(t, e.Blob, digest)) {
		err := run()
		checkProblem(t, err, storage.Blob(list.Sums[0]))
		t.Logf("%s: %v", name, err)
	}
}
