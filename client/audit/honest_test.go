package audit

import (
	"bytes"
	"context"
	"errors"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/coordinator/federation"
	"atrium/storage"
	"atrium/storage/roundlog"
	"atrium/storage/storagetest"
)

func TestVerifyHonest(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	var done, total int64
	seen := &reading{Memory: fx.objects, names: map[string]bool{}}
	report, err := Verify(t.Context(), seen, Options{Charter: fx.charter.Digest(), LogKey: fx.key.Verifier(),
		Progress: func(d, n int64) {
			if d <= done || d > n {
				t.Errorf("progress %d of %d after %d", d, n, done)
			}
			done, total = d, n
		}})
	if err != nil {
		t.Fatal(err)
	}
	want := Report{Log: report.Log, Done: 5, Abandoned: 2, Version: 3, Segments: 26, Expired: 5, Leader: 1, Finished: "accuracy did not rise by more than 0.9, evaluations in a row: 1; the best is 0.7143 of version 2, after 2 of 2 train rounds",
		Published: total, Notes: report.Notes, // the rest depends on timing and keys
		Objects: report.Objects, Bytes: report.Bytes, Snapshot: report.Snapshot}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if len(report.Notes) != 1 || !strings.HasPrefix(report.Notes[0], "gamma derived something else from round 6: it derived version 3 as snapshot ") {
		t.Errorf("notes: %q", report.Notes)
	}
	if l := report.Log; l.Federation != "test" || l.Charter != fx.charter.Digest() || l.Epoch != 1 || l.LogKey != fx.key.Verifier() || l.Members != 4 || l.Entries != done {
		t.Errorf("log: %+v", l)
	}
	if len(report.Cosigned) != 4 || report.Cosigned[3].Size < 100 || report.Cosigned[0].Name == "" {
		t.Errorf("cosigned: %+v", report.Cosigned)
	}
	// Every blob, segment, snapshot and card was read, but for messages that the coordinator
	// stored and then found to be too late: no entry names them.
	for _, name := range names(t, fx.objects) {
		folder, _, _ := strings.Cut(name, "/")
		if seen.names[name] || folder != "blob" && folder != "rounds" && folder != "models" && folder != "versions" {
			continue
		}
		data, err := fx.objects.Get(t.Context(), name, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := federation.DecodeSigned(data); err != nil || fx.isNamed(t, name) {
			t.Errorf("%s was not read", name)
		}
	}
	text := strings.Join(report.Text(), "\n")
	for _, words := range []string{"4 of 4 hospitals cosigned", report.Charter.String(), "5 done, 2 abandoned", "26 segments are there, 0 of expired rounds are retired"} {
		if !strings.Contains(text, words) {
			t.Errorf("report lacks %q:\n%s", words, text)
		}
	}
}

// reading notes which objects are read.
type reading struct {
	*storagetest.Memory
	mu    sync.Mutex
	names map[string]bool
}

// Get implements storage.Bucket.
func (r *reading) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	r.mu.Lock()
	r.names[name] = true
	r.mu.Unlock()
	return r.Memory.Get(ctx, name, offset, length)
}

// isNamed reports whether anything in the store but its own name has the digest of a blob.
func (fx fixture) isNamed(t *testing.T, name string) bool {
	t.Helper()
	digest := path.Base(name)
	for _, other := range names(t, fx.objects) {
		data, err := fx.objects.Get(t.Context(), other, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(digest)) {
			return true
		}
	}
	return false
}

// TestUnnamed: what isNamed calls unnamed is only what the log leaves out.
func TestUnnamed(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	late, named := storage.Blob(federation.Sum([]byte("late"))), storage.Blob(fx.charter.Digest())
	fx.objects.Set(late, []byte("late"))
	if fx.isNamed(t, late) || !fx.isNamed(t, named) {
		t.Errorf("a late message is named: %v; the charter is: %v", fx.isNamed(t, late), fx.isNamed(t, named))
	}
}

func TestReplayHonest(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	got, err := Replay(t.Context(), fx.objects, Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkReplay(t, got, Rederived)
	if text := got.Text(); len(text) != 12 || !strings.HasPrefix(text[1], "charter     "+fx.charter.Digest().String()) ||
		!strings.Contains(text[4], "version 2  round 4  train  re-derived  3 hospitals") {
		t.Errorf("text:\n%s", strings.Join(text, "\n"))
	}
}

// checkReplay checks the federation's versions and scores, all of one status.
func checkReplay(t *testing.T, got ReplayReport, status Status) {
	t.Helper()
	want := []Version{
		{Number: 1, Round: 1, Kind: federation.Statistics, Base: 0, Status: status, Cohort: 4, Stored: true},
		{Number: 2, Round: 4, Kind: federation.Train, Base: 1, Status: status, Cohort: 3, Stored: true},
		{Number: 3, Round: 6, Kind: federation.Train, Base: 2, Status: status, Cohort: 4, Stored: true},
	}
	for i := range got.Versions {
		if got.Versions[i].Snapshot.IsZero() {
			t.Errorf("version %d has no snapshot", got.Versions[i].Number)
		}
		got.Versions[i].Snapshot, got.Versions[i].Entry = federation.Digest{}, 0
	}
	if diff := cmp.Diff(want, got.Versions); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	if len(got.Evaluations) != 2 || got.Evaluations[1].Version != 3 || got.Evaluations[0].Status != status || got.Evaluations[0].AUC == nil {
		t.Errorf("evaluations: %+v", got.Evaluations)
	}
}

func TestShow(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	for number, want := range map[uint64][]string{
		0: {"the federation began under charter", "a coordinator took the lead, term 1", "plan test began: logistic model of 4 parameters",
			"round 2, train on version 1: abandoned after", "round 4, train on version 1: done in", "too late: delta", "the plan ended: accuracy did not rise by more than 0.9, evaluations in a row: 1; the best is 0.7143 of version 2, after 2 of 2 train rounds", "the ciphertexts of the rounds up to 5 may be retired: the charter keeps them for 2 later rounds"},
		1: {"how often is each of 3 features measured", "joined        alpha, beta, gamma, delta", "result        version 1"},
		2: {"submitted     alpha, beta (2 of 4)", `declined      gamma, as update: "fewer than 10 eligible records"`, "abandoned     2 updates: no group reaches"},
		3: {`declined      delta, as custodian: "the daemon restarted"`, "ready         alpha, beta, gamma, delta (4 custodians, 3 must send)", "sent          alpha", "burned        beta, gamma, delta: will never send", "abandoned     3 of 4 custodians sent nothing and never will"},
		4: {"burnt         ", "submitted     alpha, beta, gamma (3 of 4)", "discarded     delta", "S             alpha, beta, gamma (3)", "version 2, weight 93, 0 coordinates clipped"},
		5: {`how well does version 2 predict "disease"`, "true positives", "AUC 0."},
		6: {"wrong         alpha: share sums disagree", "snapshot      ", "disputed      gamma: computed something else"},
	} {
		h, err := Show(t.Context(), fx.objects, number, Options{})
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(h.Text(), "\n")
		for _, words := range want {
			if !strings.Contains(text, words) {
				t.Errorf("round %d lacks %q:\n%s", number, words, text)
			}
		}
		if number > 0 && strings.Contains(text, "the federation began") {
			t.Errorf("round %d tells of others:\n%s", number, text)
		}
	}
	if _, err := Show(t.Context(), fx.objects, 8, Options{}); err == nil || !strings.Contains(err.Error(), "the log has 7 rounds") {
		t.Errorf("round 8: %v", err)
	}
}

func TestPins(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	for what, opts := range map[string]Options{
		"charter": {Charter: federation.Sum([]byte("another"))},
		"log key": {LogKey: "atrium/other+5c4b1c3f+AVdLPiyPAQ6MVU6ZrTAVYBHnDlhE9DrkL6GKMkPZOOBM"},
	} {
		_, verify := Verify(t.Context(), fx.objects, opts)
		_, replay := Replay(t.Context(), fx.objects, opts)
		_, show := Show(t.Context(), fx.objects, 0, opts)
		for _, err := range []error{verify, replay, show} {
			var p *Problem
			if !errors.Is(err, ErrPin) || !errors.As(err, &p) {
				t.Errorf("another %s: %v", what, err)
			}
		}
	}
}

func TestNoLog(t *testing.T) {
	t.Parallel()
	if _, err := Verify(t.Context(), storagetest.NewMemory(), Options{}); !errors.Is(err, roundlog.ErrNoLog) {
		t.Errorf("an empty store: %v", err)
	}
}

// TestPrefixes audits the store as it was after every batch: at no time is it wrong.
func TestPrefixes(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	batches := fx.batches(t)
	for n := 1; n <= len(batches); n += 11 {
		store := fx.rewrite(t, batches[:n])
		if _, err := Verify(t.Context(), store, Options{}); err != nil {
			t.Fatalf("verify after %d batches: %v", n, err)
		}
		if _, err := Show(t.Context(), store, 0, Options{}); err != nil {
			t.Fatalf("show after %d batches: %v", n, err)
		}
	}
}

// TestLateCard: the newest card may be missing while no later round is open, and only then.
func TestLateCard(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	fx.objects.Set(storage.Card(3), nil)
	batches := fx.batches(t)
	_, err := Verify(t.Context(), fx.rewrite(t, batches), Options{})
	checkProblem(t, err, storage.Card(3))
	_, err = Verify(t.Context(), fx.rewrite(t, upTo(batches, isPublish(6))), Options{})
	if err != nil {
		t.Errorf("before the next round opens: %v", err)
	}
}
