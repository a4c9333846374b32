package audit

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/storage"
	"atrium/storage/roundlog"
)

// keeps is the checkpoint of a size that hospitals of the fixture keep, as a file of the
// first one's name. It is that of a log, signed by a key.
func keeps(t testing.TB, b storage.Bucket, key *roundlog.Key, size int64, by ...*hospital) Checkpoint {
	t.Helper()
	log, err := roundlog.Open(t.Context(), b, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := log.CheckpointAt(t.Context(), size)
	if err != nil {
		t.Fatal(err)
	}
	note := bytes.Clone(data)
	for _, h := range by {
		line, err := roundlog.Cosign(note, string(h.id), h.key, start.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, line...)
	}
	file := "nobody.checkpoint"
	if len(by) > 0 {
		file = by[0].name + ".checkpoint"
	}
	return Checkpoint{file, data}
}

// audited is what both judges say about a store.
func audited(t testing.TB, b storage.Bucket, opts Options) (verify, replay Log, err error) {
	t.Helper()
	v, err := Verify(t.Context(), b, opts)
	r, again := Replay(t.Context(), b, opts)
	if fmt.Sprint(err) != fmt.Sprint(again) {
		t.Errorf("verify says %v, replay %v", err, again)
	}
	return v.Log, r.Log, err
}

// size is the number of entries after the last of some batches.
func size(groups []group) (n int64) {
	for _, g := range groups {
		n += int64(len(g.entries))
	}
	return n
}

// TestCutLog: an operator cuts the log after round 2 and puts the checkpoint of that day
// back. What is left is in order; only a hospital that saw more can tell.
func TestCutLog(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	batches := fx.batches(t)
	left := upTo(batches, is(round.Abandon, 2))
	cut, have, had := fx.rewrite(t, left), size(left), size(batches)
	if have >= had/2 {
		t.Fatalf("%d of %d entries are left", have, had)
	}
	pin := fx.charter.Digest()
	alpha, beta, gamma := fx.hospitals[0], fx.hospitals[1], fx.hospitals[2]
	old := []Checkpoint{keeps(t, fx.objects, fx.key, 20, alpha), keeps(t, fx.objects, fx.key, have, beta)}

	for what, opts := range map[string]Options{
		"nothing":         {},
		"a charter":       {Charter: pin},
		"old checkpoints": {Checkpoints: old},
		"its own":         {Charter: pin, Checkpoints: []Checkpoint{keeps(t, cut, fx.key, have)}},
	} {
		verify, replay, err := audited(t, cut, opts)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for _, l := range []Log{verify, replay} {
			if verdict := l.Verdict("2 rounds"); l.Anchored || !strings.HasPrefix(verdict, "consistent with itself, not anchored: 2 rounds; ") || strings.Contains(verdict, "OK") {
				t.Errorf("%s: %s", what, verdict)
			}
		}
	}

	// Who saw more, if only by one entry, ends it, and is named by its file.
	for _, more := range []int64{have + 1, had} {
		_, _, err := audited(t, cut, Options{Charter: pin, Checkpoints: append(slices.Clone(old), keeps(t, fx.objects, fx.key, more, gamma))})
		checkProblem(t, err, "gamma.checkpoint")
		want := fmt.Sprintf("checkpoint cosigned by gamma at 2026-03-01T13:00:00Z: the log was cut: checkpoint is beyond the log: size %d, the log has %d", more, have)
		if !errors.Is(err, roundlog.ErrBehind) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	_, err := Verify(t.Context(), cut, Options{Checkpoints: []Checkpoint{keeps(t, fx.objects, fx.key, have+5, gamma), old[0], keeps(t, fx.objects, fx.key, had, beta)}})
	if text := fmt.Sprint(err); !strings.Contains(text, "gamma.checkpoint: ") || !strings.Contains(text, "\nbeta.checkpoint: ") || strings.Contains(text, "alpha") {
		t.Errorf("two that saw more: %v", err)
	}

	// All hospitals' checkpoints are from before the cut: it is said how old they are.
	verify, _, err := audited(t, cut, Options{Charter: pin, Checkpoints: old, Now: start.Add(100 * 24 * time.Hour)})
	if want := fmt.Sprintf("OK: 2 rounds; anchored by the charter and, up to entry %d, by checkpoints of 2 hospitals; the last cosigned entry, %d, is 100 days old", have-1, have-1); err != nil || verify.Verdict("2 rounds") != want {
		t.Errorf("%v: %s, want %s", err, verify.Verdict("2 rounds"), want)
	}
}

// TestAnchors: what each anchor rules out is said, and OK needs both.
func TestAnchors(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	n := size(fx.batches(t))
	alpha, beta := fx.hospitals[0], fx.hospitals[1]
	pin := fx.charter.Digest()
	full, some := keeps(t, fx.objects, fx.key, n, alpha, beta), keeps(t, fx.objects, fx.key, 50, beta)
	moved := Checkpoint{"mailed.txt", append([]byte("\xef\xbb\xbf"), append(bytes.ReplaceAll(some.Data, []byte("\n"), []byte("\r\n")), "\r\n\r\n"...)...)}
	stranger, err := newHospital("stranger", 9)
	if err != nil {
		t.Fatal(err)
	}
	madeUp := "charter: none was given, so federation, hospitals and keys may be made up"
	approved := "charter: the federation, hospitals and keys are those that approved it"
	open := "checkpoints: none of a hospital was given, so the end may be cut off, and replaced after entry "
	for what, c := range map[string]struct {
		opts    Options
		entries int64 // anchored
		words   []string
	}{
		"none":         {Options{}, 0, []string{madeUp, open}},
		"two":          {Options{Charter: pin, Checkpoints: []Checkpoint{full}}, n, []string{"checkpoints of alpha, beta"}},
		"charter":      {Options{Charter: pin}, 0, []string{approved, open, ": the one that you gave"}},
		"checkpoint":   {Options{Checkpoints: []Checkpoint{full}}, n, []string{madeUp, fmt.Sprintf("checkpoints of alpha, beta: nothing of the first %d entries was cut off or changed", n)}},
		"both":         {Options{Charter: pin, Checkpoints: []Checkpoint{some, full}}, n, []string{approved, "kept        beta.checkpoint: 50 entries, cosigned by beta at 2026"}},
		"moved":        {Options{Charter: pin, Checkpoints: []Checkpoint{moved}}, 50, []string{"kept        mailed.txt: 50 entries", "nothing of the first 50 entries", "note        the charter counts with 1 hostile"}},
		"not cosigned": {Options{Charter: pin, Checkpoints: []Checkpoint{keeps(t, fx.objects, fx.key, n)}}, 0, []string{open, "cosigned by no hospital of this federation: whoever has the log's key can make it"}},
		"by strangers": {Options{Charter: pin, Checkpoints: []Checkpoint{keeps(t, fx.objects, fx.key, n, stranger)}}, 0, []string{open, "cosigned by no hospital of this federation"}},
	} {
		report, err := Verify(t.Context(), fx.objects, c.opts)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if report.Anchor.Entries != c.entries || report.Anchored != (c.entries > 0 && !c.opts.Charter.IsZero()) || report.Anchored != (report.Anchor.Missing() == "") {
			t.Errorf("%s: anchored %t, %+v; missing %q", what, report.Anchored, report.Anchor, report.Anchor.Missing())
		}
		if ok := strings.HasPrefix(report.Verdict("all"), "OK: all; anchored by the charter"); ok != report.Anchored {
			t.Errorf("%s: %s", what, report.Verdict("all"))
		}
		text := strings.Join(report.Text(), "\n")
		if what == "two" && strings.Contains(text, "hostile") {
			t.Errorf("one of two is honest:\n%s", text)
		}
		for _, words := range c.words {
			if !strings.Contains(text, words) {
				t.Errorf("%s: the report lacks %q:\n%s", what, words, text)
			}
		}
	}
}

// TestForkedLog: the operator cuts the log and goes on otherwise, so that no message in it
// is about the entry that changed.
func TestForkedLog(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	left := upTo(fx.batches(t), is(round.Abandon, 2))
	fork := fx.rewrite(t, edit(left, is(round.Abandon, 2), func(e *round.Entry) { e.Reason = "another one" }))
	have, pin, beta := size(left), fx.charter.Digest(), fx.hospitals[1]
	if l, _, err := audited(t, fork, Options{Charter: pin}); err != nil || l.Anchored {
		t.Errorf("a fork that nobody knows: %v, %t", err, l.Anchored)
	}
	if l, _, err := audited(t, fork, Options{Charter: pin, Checkpoints: []Checkpoint{keeps(t, fx.objects, fx.key, have-1, beta)}}); err != nil || !l.Anchored {
		t.Errorf("a checkpoint from before the fork: %v, %t", err, l.Anchored)
	}
	_, _, err := audited(t, fork, Options{Charter: pin, Checkpoints: []Checkpoint{keeps(t, fx.objects, fx.key, have, beta)}})
	checkProblem(t, err, "beta.checkpoint")
	if !errors.Is(err, roundlog.ErrFork) || !strings.Contains(err.Error(), "the log was rewritten: root does not match the log") {
		t.Errorf("the same size: %v", err)
	}
	_, _, err = audited(t, fx.objects, Options{Charter: pin, Checkpoints: []Checkpoint{keeps(t, fork, fx.key, have, beta)}})
	checkProblem(t, err, "beta.checkpoint")
	if !errors.Is(err, roundlog.ErrFork) {
		t.Errorf("no prefix: %v", err)
	}
}

// TestStrangeCheckpoints tells apart what else may be wrong with a file.
func TestStrangeCheckpoints(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	n, alpha := size(fx.batches(t)), fx.hospitals[0]
	good := keeps(t, fx.objects, fx.key, 50, alpha)
	same := func() *roundlog.Key { // another federation of the same name
		key, err := roundlog.GenerateKey(fx.key.Name(), bytes.NewReader(make([]byte, 32)))
		if err != nil {
			t.Fatal(err)
		}
		return key
	}()
	other, err := roundlog.GenerateKey("atrium/other", bytes.NewReader(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	foreign := func(key *roundlog.Key, size int, by ...*hospital) Checkpoint {
		bucket := fx.rewrite(t, fx.batches(t)[:1])
		for _, name := range names(t, bucket) {
			bucket.Set(name, nil)
		}
		log, err := roundlog.Create(t.Context(), bucket, key)
		if err != nil {
			t.Fatal(err)
		}
		for range size {
			if _, err := log.Append(t.Context(), 1, start, [][]byte{[]byte("entry")}); err != nil {
				t.Fatal(err)
			}
		}
		return keeps(t, bucket, key, int64(size), by...)
	}
	impostor := *alpha
	impostor.key = ed25519.NewKeyFromSeed(make([]byte, 32))
	forged := keeps(t, fx.objects, fx.key, 50, &impostor)
	for what, c := range map[string]struct {
		file  Checkpoint
		want  error
		words string
	}{
		"another log":          {foreign(other, 3), roundlog.ErrOtherLog, `it is of "atrium/other", this is "atrium/test"`},
		"one of the same name": {foreign(same, 3), roundlog.ErrOtherLog, "it is signed by a key that this log does not have"},
		"a key that was lost":  {foreign(same, int(n)+1, alpha), roundlog.ErrOtherLog, "either the log lost the charter that brought the key, or the hospital made it up"},
		"another root":         {Checkpoint{"alpha.checkpoint", bytes.Replace(good.Data, []byte("\n50\n"), []byte("\n51\n"), 1)}, roundlog.ErrSignature, "cosignature of " + string(alpha.id)},
		"an impostor's":        {forged, roundlog.ErrSignature, "cosignature of " + string(alpha.id)},
		"half a file":          {Checkpoint{"alpha.checkpoint", good.Data[:30]}, roundlog.ErrEncoding, "kept checkpoint"},
		"something else":       {Checkpoint{"alpha.checkpoint", []byte("v: 1\nname: test\n")}, roundlog.ErrEncoding, "checkpoint without signature"},
	} {
		_, _, err := audited(t, fx.objects, Options{Charter: fx.charter.Digest(), Checkpoints: []Checkpoint{c.file}})
		checkProblem(t, err, c.file.File)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v, want %q", what, err, c.words)
		}
	}
	h, err := Show(t.Context(), fx.objects, 0, Options{Checkpoints: []Checkpoint{forged}})
	if !errors.Is(err, roundlog.ErrSignature) || len(h.Events) > 0 {
		t.Errorf("show under a forged checkpoint: %v", err)
	}
}

// TestCosignedUpTo: how many entries so many hospitals cosigned.
func TestCosignedUpTo(t *testing.T) {
	c := cosigners{}
	if c.upTo(1) != 0 || c.upTo(0) != 0 {
		t.Error("nobody cosigned anything")
	}
	for i, size := range []int64{30, 10, 20, 5} {
		id := federation.HospitalID(fmt.Sprint(i % 3)) // the fourth is an older one of the first
		c.add(id, size, start)
	}
	for n, want := range []int64{0, 30, 20, 10, 0} {
		if got := c.upTo(n); got != want {
			t.Errorf("%d hospitals cosigned %d entries, want %d", n, got, want)
		}
	}
}
