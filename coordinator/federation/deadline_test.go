package federation

import (
	"errors"
	"testing"
)

func TestPowers(t *testing.T) {
	for n, want := range map[int][2]int{-1: {0, 0}, 0: {0, 0}, 1: {1, 1}, 2: {2, 2}, 3: {4, 2}, 4: {4, 4}, 5: {8, 4}, 1023: {1024, 512},
		MaxCapability: {MaxCapability, MaxCapability}, MaxCapability + 1: {MaxCapability, MaxCapability}, 1 << 62: {MaxCapability, MaxCapability}} {
		if up, down := PowerUp(n), PowerDown(n); up != want[0] || down != want[1] {
			t.Errorf("%d: %d and %d, want %d", n, up, down, want)
		}
	}
	for _, c := range []Capability{{TrainSeconds: -1}, {UploadKiB: 3}, {MemoryMiB: 2 * MaxCapability}} {
		if c.Valid() {
			t.Errorf("%+v is valid", c)
		}
	}
}

// TestUpdateTime: a header has a time for updates exactly where the plan leaves it open.
func TestUpdateTime(t *testing.T) {
	c, fixed := testCharter(t, 5), testPlan()
	auto := fixed
	auto.Schedule.Deadline = Deadline{DeadlineAuto, 20, 0.8, 1.5}
	for _, x := range []struct {
		p       Plan
		kind    RoundKind
		seconds int
		ok      bool
		time    int
	}{
		{fixed, Train, 0, true, 600}, {fixed, Train, 600, false, 0}, {auto, Train, 0, false, 0}, {auto, Train, 19, false, 0}, {auto, Train, 20, true, 20},
		{auto, Train, 600, true, 600}, {auto, Train, 601, false, 0}, {auto, Evaluate, 0, true, 600}, {auto, Evaluate, 20, false, 0}, {auto, Statistics, 0, true, 600},
	} {
		h := testHeader(c, x.p, x.kind)
		h.UpdateSeconds = x.seconds
		if err := CheckHeader(c, x.p, h); (err == nil) != x.ok || err != nil && !errors.Is(err, ErrHeader) {
			t.Errorf("%s round of %d seconds: %v", x.kind, x.seconds, err)
		}
		if x.ok && x.p.UpdateTime(h) != x.time {
			t.Errorf("%s round of %d seconds: updates have %d, want %d", x.kind, x.seconds, x.p.UpdateTime(h), x.time)
		}
	}
}
