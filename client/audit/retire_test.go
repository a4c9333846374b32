package audit

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/storage"
	"atrium/storage/storagetest"
)

func silent(int, int) {}

// readOnly refuses every write but deletions below rounds/: what a credential for
// retirement may do.
type readOnly struct {
	*storagetest.Memory
	t    *testing.T
	left int // deletions until the store goes away
}

func (r *readOnly) PutIfAbsent(_ context.Context, name string, _ []byte) error {
	r.t.Errorf("writes %s", name)
	return nil
}

func (r *readOnly) CompareAndSwap(_ context.Context, name string, _, _ []byte) error {
	r.t.Errorf("swaps %s", name)
	return nil
}

var errAway = errors.New("the store went away")

func (r *readOnly) Delete(ctx context.Context, name string) error {
	if !strings.HasPrefix(name, storage.RoundsFolder) {
		r.t.Errorf("deletes %s", name)
	}
	if r.left == 0 {
		return errAway
	}
	r.left--
	return r.Memory.Delete(ctx, name)
}

// TestRetire: exactly the ciphertexts of expired rounds go, also when it takes several
// runs; the audit still holds and says what it could not derive again.
func TestRetire(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	var stay []string
	expired := 0
	for _, name := range names(t, fx.objects) {
		if strings.HasPrefix(name, storage.RoundsFolder) && fx.expired(t, name) {
			expired++
		} else {
			stay = append(stay, name)
		}
	}
	b := &readOnly{Memory: fx.objects, t: t}
	r, err := coordinator.Retire(t.Context(), b, fx.charter.Digest(), true, silent)
	if err != nil || r.Objects != expired || r.Through != 5 || r.Rounds != 5 || r.Kept != 26-expired || r.Bytes == 0 {
		t.Fatalf("dry: %v, %+v", err, r)
	}
	b.left = 3
	if r, err = coordinator.Retire(t.Context(), b, federation.Digest{}, false, silent); !errors.Is(err, errAway) || r.Objects != 3 {
		t.Fatalf("interrupted: %v, %+v", err, r)
	}
	b.left = 1000
	if r, err = coordinator.Retire(t.Context(), b, federation.Digest{}, false, silent); err != nil || r.Objects != expired-3 {
		t.Fatalf("again: %v, %+v", err, r)
	}
	if r, err = coordinator.Retire(t.Context(), b, federation.Digest{}, false, silent); err != nil || r.Objects != 0 || r.Rounds != 0 {
		t.Fatalf("and again: %v, %+v", err, r)
	}
	if left := names(t, fx.objects); !slices.Equal(left, stay) {
		t.Errorf("%d objects stay, want %d", len(left), len(stay))
	}
	report, err := Verify(t.Context(), fx.objects, Options{})
	if err != nil || report.Retired != expired {
		t.Errorf("verify: %v, %d retired", err, report.Retired)
	}
	replay, err := Replay(t.Context(), fx.objects, Options{})
	attested, scores := replay.Count(SumAttested)
	if missing, _ := replay.Count(Missing); err != nil || attested != 2 || scores != 1 || missing != 0 {
		t.Errorf("replay: %v\n%s", err, strings.Join(replay.Text(), "\n"))
	}
	if _, err := coordinator.Retire(t.Context(), b, federation.Sum(nil), false, silent); !errors.Is(err, coordinator.ErrCharter) {
		t.Errorf("of another charter: %v", err)
	}
}

// TestRetireNeedsSums: the ciphertexts of a round stay while the sum that vouches for them
// is not there; those of others go.
func TestRetireNeedsSums(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	fx.objects.Set(fx.ciphertextSum(t, 4), nil)
	b := &readOnly{Memory: fx.objects, t: t, left: 1000}
	r, err := coordinator.Retire(t.Context(), b, federation.Digest{}, false, silent)
	if !errors.Is(err, coordinator.ErrNotWhole) || !strings.HasPrefix(err.Error(), "round 4: ") || r.Rounds != 4 {
		t.Fatalf("%v, %+v", err, r)
	}
	replay, err := Replay(t.Context(), fx.objects, Options{})
	if err != nil || replay.Versions[0].Status != SumAttested || replay.Versions[1].Status != Rederived {
		t.Errorf("%v\n%s", err, strings.Join(replay.Text(), "\n"))
	}
}
