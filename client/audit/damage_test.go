package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/roundlog"
	"atrium/storage/storagetest"
)

func names(t testing.TB, b storage.Bucket) []string {
	t.Helper()
	infos, err := b.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, info := range infos {
		list = append(list, info.Name)
	}
	return list
}

// checkProblem checks that an error names this object as the first that is wrong.
func checkProblem(t testing.TB, err error, object string) {
	t.Helper()
	var p *Problem
	if !errors.As(err, &p) {
		t.Fatalf("no problem is named, want %s: %v", object, err)
	}
	if p.Object != object || !strings.HasPrefix(err.Error(), object+": ") || (object != storage.Checkpoint && strings.Count(err.Error(), object) != 1) {
		t.Errorf("got %v\nwant the problem of %s, named once", err, object)
	}
}

// record lists objects of every class of the store: of blobs the first and the last of
// each kind of entry and what those lead to, of other folders one in a few and the last.
// Envelopes are no part of the record: they are deleted.
func (fx fixture) record(t testing.TB) []string {
	t.Helper()
	var list []string
	folders := map[string][]string{}
	for _, name := range names(t, fx.objects) {
		folder, _, _ := strings.Cut(name, "/")
		folders[folder] = append(folders[folder], name)
	}
	for folder, step := range map[string]int{"log": 20, "tile": 4, "rounds": 4, "models": 1, "versions": 1, "checkpoint": 1} {
		all := folders[folder]
		if len(all) == 0 {
			t.Fatalf("there is no object in %s", folder)
		}
		for i := 0; i < len(all); i += step {
			list = append(list, all[i])
		}
		list = append(list, all[len(all)-1])
	}
	first, last := map[round.EntryKind]round.Entry{}, map[round.EntryKind]round.Entry{}
	for _, g := range fx.batches(t) {
		for _, e := range g.entries {
			if _, ok := first[e.Kind]; !ok {
				first[e.Kind] = e
			}
			last[e.Kind] = e
		}
	}
	for _, entries := range []map[round.EntryKind]round.Entry{first, last} {
		for _, e := range entries {
			list = append(list, fx.named(t, e)...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// named lists the blobs that an entry leads to.
func (fx fixture) named(t testing.TB, e round.Entry) []string {
	t.Helper()
	var list []string
	for _, digest := range []federation.Digest{e.Blob, e.Attachment} {
		if !digest.IsZero() {
			list = append(list, storage.Blob(digest))
		}
	}
	switch e.Kind {
	case round.Send:
		a, _, err := envelope.DecodeMessage[federation.Send](fx.charter, fx.blob(t, e.Blob))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, storage.Blob(a.ShareSums[0]))
	case round.Publish:
		list = append(list, fx.ciphertextSum(t, e.Round))
	}
	return list
}

// TestFlippedByte changes one byte of an object at a time.
func TestFlippedByte(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	for i, name := range fx.record(t) {
		data, err := fx.objects.Get(t.Context(), name, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		damaged := append([]byte(nil), data...)
		damaged[(i*7919)%len(data)] ^= 1 << (i % 7)
		fx.objects.Set(name, damaged)
		_, err = Verify(t.Context(), fx.objects, Options{})
		checkProblem(t, err, name)
		checkFlippedReplay(t, fx, name, err)
		fx.objects.Set(name, data)
	}
}

// checkFlippedReplay: replay finds what verify found, but for what it does not need: static
// files, cards, and the ciphertexts that nobody summed.
func checkFlippedReplay(t *testing.T, fx fixture, name string, verify error) {
	t.Helper()
	_, err := Replay(t.Context(), fx.objects, Options{})
	text := verify.Error()
	class, _, _ := strings.Cut(name, "/")
	unsummed := strings.Contains(text, "in round 2: ") || strings.Contains(text, "in round 3: ") ||
		strings.Contains(text, fmt.Sprintf("of %s in round 4: ", fx.hospitals[3].id))
	switch {
	case class == "tile", class == "checkpoint", class == "versions", class == "rounds" && unsummed:
		if err != nil {
			t.Errorf("replay does not need %s: %v", name, err)
		}
	default:
		checkProblem(t, err, name)
	}
}

// TestRemoved removes one object at a time.
func TestRemoved(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	for _, name := range fx.record(t) {
		class, _, _ := strings.Cut(name, "/")
		last := isLastBatch(fx.objects, name)
		data, err := fx.objects.Get(t.Context(), name, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		fx.objects.Set(name, nil)
		report, err := Verify(t.Context(), fx.objects, Options{})
		switch {
		case class == "rounds" && fx.expired(t, name):
			if err != nil || report.Retired != 1 || report.Segments != 25 {
				t.Errorf("%s is retired: %v, %d", name, err, report.Retired)
			}
		case name == storage.Blob(fx.charter.Digest()): // either it or the entry may be the wrong one
			if err == nil || !strings.HasPrefix(err.Error(), storage.Batch(0)) || !strings.Contains(err.Error(), name) {
				t.Errorf("the charter is gone: %v", err)
			}
		case class == "tile" && err == nil: // superseded by a wider one
			if strings.Count(name, ".p/") != 1 {
				t.Errorf("%s is gone: nothing is wrong", name)
			}
		case last: // then the checkpoint is beyond the log
			checkProblem(t, err, storage.Checkpoint)
		default:
			checkProblem(t, err, name)
		}
		fx.objects.Set(name, data)
	}
}

func isLastBatch(b *storagetest.Memory, name string) bool {
	infos, err := b.List(context.Background(), storage.LogFolder)
	return err == nil && strings.HasPrefix(name, storage.LogFolder) && len(infos) > 0 && infos[len(infos)-1].Name == name
}

// expired reports whether a ciphertext segment is of a round that expired.
func (fx fixture) expired(t testing.TB, name string) bool {
	t.Helper()
	for number := uint64(1); number <= 5; number++ {
		e, _ := fx.find(t, is(round.Open, number))
		if strings.HasPrefix(name, storage.RoundsFolder+e.Blob.String()) {
			return true
		}
	}
	return false
}

// TestRetired: without ciphertexts the sums vouch, without those nothing does, and that
// is said; what is there is still checked. What did not expire must not be gone.
func TestRetired(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	for _, name := range names(t, fx.objects) {
		if strings.HasPrefix(name, storage.RoundsFolder) && fx.expired(t, name) {
			fx.objects.Set(name, nil)
		}
	}
	report, err := Verify(t.Context(), fx.objects, Options{})
	if err != nil || report.Retired == 0 || report.Segments == 0 || report.Retired+report.Segments != 26 || report.Expired != 5 {
		t.Fatalf("%v, %d retired, %d there", err, report.Retired, report.Segments)
	}
	got, err := Replay(t.Context(), fx.objects, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Status{SumAttested, SumAttested, Rederived} {
		if v := got.Versions[i]; v.Status != want || v.Cohort < 3 || !v.Stored {
			t.Errorf("version %d: %+v", v.Number, v)
		}
	}
	_, at := fx.find(t, isPublish(4))
	if want := fmt.Sprintf("version 2  round 4  train  sum attested at entry %d  3 hospitals", at); !strings.Contains(strings.Join(got.Text(), "\n"), want) {
		t.Errorf("text lacks %q:\n%s", want, strings.Join(got.Text(), "\n"))
	}
	fx.lacking(t)

	// The sum of round 4 is gone too: version 3 is derived from the stored version 2.
	fx.objects.Set(fx.ciphertextSum(t, 4), nil)
	if got, err = Replay(t.Context(), fx.objects, Options{}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []Status{SumAttested, Missing, Rederived} {
		if v := got.Versions[i]; v.Status != want || !v.Stored {
			t.Errorf("version %d: %s, stored %v", v.Number, v.Status, v.Stored)
		}
	}
	// And without the stored version 2 nothing after it can be derived.
	e, _ := fx.find(t, isPublish(4))
	fx.objects.Set(storage.ModelSegment(e.Snapshot), nil)
	if got, err = Replay(t.Context(), fx.objects, Options{}); err != nil {
		t.Fatal(err)
	}
	if v, m := got.Count(Missing); v != 2 || m != 1 {
		t.Errorf("%d versions and %d scores are missing:\n%s", v, m, strings.Join(got.Text(), "\n"))
	}
}

// lacking is the same store without one more segment, of round 6, which did not expire.
func (fx fixture) lacking(t *testing.T) {
	t.Helper()
	objects := fx.objects.Clone()
	e, _ := fx.find(t, is(round.Open, 6))
	var name string
	for _, n := range names(t, objects) {
		if strings.HasPrefix(n, storage.RoundsFolder+e.Blob.String()) {
			name = n
		}
	}
	objects.Set(name, nil)
	_, err := Verify(t.Context(), objects, Options{})
	checkProblem(t, err, name)
	got, err := Replay(t.Context(), objects, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if v := got.Versions[2]; v.Status != Missing || v.Cohort != 0 || !v.Stored {
		t.Errorf("version 3: %+v", v)
	}
}

func TestSnapshotGone(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	e, _ := fx.find(t, isPublish(4))
	fx.objects.Set(storage.ModelSegment(e.Snapshot), nil)
	_, err := Verify(t.Context(), fx.objects, Options{})
	checkProblem(t, err, storage.ModelSegment(e.Snapshot))
	got, err := Replay(t.Context(), fx.objects, Options{}) // needs none
	if err != nil || got.Versions[1].Stored || got.Versions[1].Status != Rederived || got.Versions[2].Status != Rederived {
		t.Errorf("replay: %v, %+v", err, got.Versions)
	}
}

// broken is a Bucket that cannot read one object.
type broken struct {
	storage.Bucket
	name string
}

var errBroken = errors.New("the disk is on fire")

func (b broken) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	if name == b.name {
		return nil, fmt.Errorf("%s: %w", name, errBroken)
	}
	return b.Bucket.Get(ctx, name, offset, length)
}

// TestUnreadable: an object that cannot be read is not called wrong.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	var p *Problem
	for i, name := range fx.record(t) {
		if i%3 != 0 && name != storage.Checkpoint {
			continue
		}
		_, err := Verify(t.Context(), broken{fx.objects, name}, Options{})
		if !errors.Is(err, errBroken) || errors.As(err, &p) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Verify(ctx, fx.objects, Options{}); !errors.Is(err, context.Canceled) || errors.As(err, &p) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := Verify(t.Context(), broken{fx.objects, "nothing"}, Options{}); err != nil || errors.Is(err, roundlog.ErrNoLog) {
		t.Error(err)
	}
}
