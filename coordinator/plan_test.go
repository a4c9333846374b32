package coordinator_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/coordinator/setup"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/local"
	"atrium/storage/roundlog"
)

// fresh is a coordinator on a new federation of four hospitals, its store, and the
// hospitals.
func fresh(t *testing.T, plan federation.Plan) (*coordinator.Coordinator, *local.Bucket, []setup.Hospital) {
	t.Helper()
	r, err := setup.Init(t.Context(), setup.Options{Dir: filepath.Join(t.TempDir(), "fed"), Hospitals: []string{"a", "b", "c", "d"}, Numbers: federation.Tolerant(4, 1),
		Plan: plan, ShowNames: true})
	if err != nil {
		t.Fatal(err)
	}
	key, err := setup.LoadLogKey(filepath.Join(r.Coordinator, "log.key"))
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := local.Open(r.Storage)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bucket.Close() })
	c, err := coordinator.Open(t.Context(), coordinator.Config{Bucket: bucket, Key: key, Charter: r.Charter})
	if err != nil {
		t.Fatal(err)
	}
	return c, bucket, r.Hospitals
}

// running runs c until the test's end.
func running(t *testing.T, c *coordinator.Coordinator) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// awaitRound returns once the round is as wanted.
func awaitRound(t *testing.T, c *coordinator.Coordinator, want func(round.Round) bool) {
	t.Helper()
	for {
		v := c.View()
		if want(v.State.Round) {
			return
		}
		select {
		case <-v.Changed():
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

// decline makes a hospital say no to the round that gathers.
func decline(t *testing.T, c *coordinator.Coordinator, h setup.Hospital) {
	t.Helper()
	identity, err := setup.LoadIdentity(filepath.Join(h.Folder, "identity.key"))
	if err != nil {
		t.Fatal(err)
	}
	d := federation.Decline{V: 1, Header: c.View().State.Round.Header, Hospital: h.ID, Role: federation.RoleUpdate, Reason: "no"}
	if err := c.Decline(t.Context(), h.ID, federation.Encode(envelope.SignMessage(identity, c.Charter().Federation, d))); err != nil {
		t.Fatal(err)
	}
}

func TestSetPlan(t *testing.T) {
	first := plans.Cardiology()
	c, bucket, hospitals := fresh(t, first)
	running(t, c)
	if err := c.SetPlan(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	awaitRound(t, c, func(r round.Round) bool { return r.Phase.Running() })
	second := first
	second.Name, second.Schedule.Rounds = "second", 7
	set := make(chan error)
	go func() { set <- c.SetPlan(t.Context(), second) }()
	decline(t, c, hospitals[0]) // two of four cannot make a sum: the round ends
	select {
	case err := <-set:
		t.Fatalf("a plan is set while round %d gathers: %v", c.View().State.Round.Number, err)
	default:
	}
	decline(t, c, hospitals[1])
	endRounds(t, c, hospitals[:2], set)
	i, err := coordinator.Inspect(t.Context(), bucket, c.Charter().Digest())
	if err != nil {
		t.Fatal(err)
	}
	if i.Plan != "second" || i.PlanDigest != second.Digest() || i.Rounds != 7 {
		t.Errorf("the log says %+v", i)
	}
	if len(i.Abandonments) == 0 || i.Abandonments[0].Round != 1 || i.Abandonments[0].Reason == "" {
		t.Errorf("the first plan's round: %+v", i.Abandonments)
	}
	wrong := second
	wrong.Privacy.Bits = 7
	if err := c.SetPlan(t.Context(), wrong); err == nil {
		t.Error("an invalid plan is taken")
	}
}

// endRounds lets hospitals decline in every round, the next one may open before the plan is
// set, until set says that it is.
func endRounds(t *testing.T, c *coordinator.Coordinator, hospitals []setup.Hospital, set chan error) {
	t.Helper()
	over := c.View().State.Round.Number
	for {
		v := c.View()
		if r := v.State.Round; r.Number > over && r.Phase == round.Gathering {
			over = r.Number
			for _, h := range hospitals {
				decline(t, c, h)
			}
		}
		select {
		case err := <-set:
			if err != nil {
				t.Fatal(err)
			}
			return
		case <-v.Changed():
		}
	}
}

func TestInspect(t *testing.T) {
	c, bucket, _ := fresh(t, plans.Cardiology())
	charter := c.Charter().Digest()
	for _, pin := range []federation.Digest{{}, charter} {
		i, err := coordinator.Inspect(t.Context(), bucket, pin)
		if err != nil {
			t.Fatal(err)
		}
		if i.Charter != charter || i.Phase != round.None || i.Entries != 2 || i.LogSize != 2 || len(i.Hospitals) != 4 || i.Hospitals[0].Name == "" {
			t.Errorf("a fresh federation: %+v", i)
		}
	}
	if _, err := coordinator.Inspect(t.Context(), bucket, federation.Digest{1}); !errors.Is(err, coordinator.ErrCharter) {
		t.Errorf("another charter is pinned: %v", err)
	}
	running(t, c)
	awaitRound(t, c, func(r round.Round) bool { return r.Phase.Running() })
	i, err := coordinator.Inspect(t.Context(), bucket, charter)
	if err != nil || i.Phase != round.Gathering || i.Kind != federation.Statistics || i.Waiting == "" {
		t.Errorf("beside a running coordinator: %+v, %v", i, err)
	}
}

func TestInspectRefuses(t *testing.T) {
	empty, err := local.Create(filepath.Join(t.TempDir(), "empty"))
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if _, err := coordinator.Inspect(t.Context(), empty, federation.Digest{}); !errors.Is(err, roundlog.ErrNoLog) {
		t.Errorf("an empty store: %v", err)
	}
	_, bucket, _ := fresh(t, plans.Cardiology())
	raw, err := bucket.Get(t.Context(), storage.Batch(0), 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(raw, []byte(`"signature":"`)) + len(`"signature":"`)
	changed := bytes.Clone(raw)
	copy(changed[at:], "AAAA")
	if err := bucket.CompareAndSwap(t.Context(), storage.Batch(0), raw, changed); err != nil {
		t.Fatal(err)
	}
	if _, err := coordinator.Inspect(t.Context(), bucket, federation.Digest{}); !errors.Is(err, roundlog.ErrSignature) || !strings.Contains(err.Error(), storage.Batch(0)) {
		t.Errorf("a changed batch: %v", err)
	}
}
