package audit

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/roundlog"
)

// TestEpochOfBatch: a batch of a coordinator that does not lead.
func TestEpochOfBatch(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	groups := fx.batches(t)
	groups[len(groups)-1].epoch++
	_, err := Verify(t.Context(), fx.rewrite(t, groups), Options{})
	checkProblem(t, err, storage.Batch(int64(len(groups)-1)))
	if !errors.Is(err, roundlog.ErrEpoch) {
		t.Error(err)
	}
}

// TestFork: hospitals cosigned another log than the one in the store.
func TestFork(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	groups := edit(fx.batches(t), is(round.Abandon, 2), func(e *round.Entry) { e.Reason = "another one" })
	_, err := Verify(t.Context(), fx.rewrite(t, groups), Options{})
	var p *Problem
	if !errors.As(err, &p) || !errors.Is(err, roundlog.ErrFork) || !strings.Contains(p.What, "open in round 3") {
		t.Errorf("verify: %v", err)
	}
}

// TestForgedSignatures replaces a signed blob and all entries that name it.
func TestForgedSignatures(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	for _, match := range []func(round.Entry) bool{
		is(round.Join, 7), is(round.Update, 7), is(round.Ready, 7), is(round.Send, 7), is(round.Burn, 3), is(round.Declined, 2)} {
		e, _ := fx.find(t, match)
		signed, err := federation.DecodeSigned(fx.blob(t, e.Blob))
		if err != nil {
			t.Fatal(err)
		}
		signed.Signature[rand.IntN(64)] ^= 1
		digest := fx.put(t, signed)
		store := fx.rewrite(t, edit(fx.batches(t), func(x round.Entry) bool { return x.Blob == e.Blob }, func(x *round.Entry) { x.Blob = digest }))
		_, err = Verify(t.Context(), store, Options{})
		checkProblem(t, err, storage.Blob(digest))
		if !errors.Is(err, envelope.ErrSignature) {
			t.Errorf("%s: %v", e.Kind, err)
		}
	}
	e, _ := fx.find(t, func(e round.Entry) bool { return e.Kind == round.Genesis })
	countersigned, err := federation.Decode[federation.Countersignatures](fx.blob(t, e.Attachment), federation.MaxCharterBytes)
	if err != nil {
		t.Fatal(err)
	}
	countersigned.Signatures[2].Signature[5] ^= 1
	digest := fx.put(t, countersigned)
	store := fx.rewrite(t, edit(fx.batches(t), func(x round.Entry) bool { return x.Kind == round.Genesis }, func(x *round.Entry) { x.Attachment = digest }))
	_, err = Verify(t.Context(), store, Options{})
	checkProblem(t, err, storage.Blob(digest))
}

// TestForgedCosignature: the custodian's message is its own, the cosignature in it is of
// another checkpoint.
func TestForgedCosignature(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	e, _ := fx.find(t, is(round.Send, 7))
	h := fx.hospitals[slices.IndexFunc(fx.hospitals, func(h *hospital) bool { return h.id == e.Hospital })]
	answer, _, err := envelope.DecodeMessage[federation.Send](fx.charter, fx.blob(t, e.Blob))
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*federation.Send){
		"size": func(a *federation.Send) { a.Checkpoint.Size-- },
		"root": func(a *federation.Send) { a.Checkpoint.Root[3] ^= 1 },
		"S":    func(a *federation.Send) { a.Candidate[3] ^= 1 },
	} {
		lie := answer
		change(&lie)
		digest := fx.put(t, envelope.SignMessage(h.key, "test", lie))
		store := fx.rewrite(t, edit(fx.batches(t), func(x round.Entry) bool { return x.Blob == e.Blob }, func(x *round.Entry) { x.Blob = digest }))
		_, err := Verify(t.Context(), store, Options{})
		checkProblem(t, err, storage.Blob(digest))
		t.Logf("%s: %v", what, err)
	}
}

// TestNoShareSum: what alpha, whose share sums of round 6 are wrong, sent is no share sum at
// all. Auditors judge it as coordinator and custodians do: it is alpha's doing, and the sum opens.
func TestNoShareSum(t *testing.T) {
	t.Parallel()
	for what, sums := range map[string]func(fixture) []federation.Digest{
		"no encoding":            func(fx fixture) []federation.Digest { return []federation.Digest{fx.put(t, "none")} },
		"not one of its group":   func(fixture) []federation.Digest { return []federation.Digest{{}} },
		"not one for each group": func(fixture) []federation.Digest { return nil },
	} {
		fx := honest(t)
		publish, _ := fx.find(t, isPublish(6))
		send, e, h := signedIn[federation.Send](t, fx, func(e round.Entry) bool {
			return is(round.Send, 6)(e) && slices.Contains(publish.Custodians, e.Hospital)
		})
		if h.name != "alpha" {
			t.Fatalf("%s sent wrong share sums", h.name)
		}
		send.ShareSums = sums(fx)
		digest := fx.put(t, envelope.SignMessage(h.key, "test", send))
		store := fx.rewrite(t, upTo(edit(fx.batches(t), func(x round.Entry) bool { return x.Blob == e.Blob }, func(x *round.Entry) { x.Blob = digest }), isPublish(6)))
		report, err := Verify(t.Context(), store, Options{})
		want := "what alpha sent in round 6 is no share sum of group 0"
		if err != nil || !slices.Contains(report.Notes, want) {
			t.Errorf("%s: verify: %v, notes %q", what, err, report.Notes)
		}
		if got, err := Replay(t.Context(), store, Options{}); err != nil || len(got.Versions) != 3 {
			t.Errorf("%s: replay: %v, %d versions", what, err, len(got.Versions))
		}
	}
}

// TestCosignedFork: a custodian cosigned, in order, a checkpoint that is not this log's.
func TestCosignedFork(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	e, _ := fx.find(t, is(round.Send, 7))
	h := fx.hospitals[slices.IndexFunc(fx.hospitals, func(h *hospital) bool { return h.id == e.Hospital })]
	answer, _, err := envelope.DecodeMessage[federation.Send](fx.charter, fx.blob(t, e.Blob))
	if err != nil {
		t.Fatal(err)
	}
	answer.Checkpoint.Root[3] ^= 1
	head := fmt.Sprintf("atrium/test\n%d\n%s\n\n", answer.Checkpoint.Size, roundlog.Hash(answer.Checkpoint.Root))
	line, err := roundlog.Cosign([]byte(head), string(h.id), h.key, start)
	if err != nil {
		t.Fatal(err)
	}
	answer.Cosignature = string(line)
	digest := fx.put(t, envelope.SignMessage(h.key, "test", answer))
	store := fx.rewrite(t, edit(fx.batches(t), func(x round.Entry) bool { return x.Blob == e.Blob }, func(x *round.Entry) { x.Blob = digest }))
	_, err = Verify(t.Context(), store, Options{})
	checkProblem(t, err, storage.Blob(digest))
	if !errors.Is(err, roundlog.ErrFork) {
		t.Error(err)
	}
}
