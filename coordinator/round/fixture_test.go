package round_test

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"testing"
	"time"

	"atrium/coordinator/federation"
)

// start is the moment at which every test begins.
var start = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// testCharter is a charter of n hospitals, all of them custodians, in equal groups, whose
// sums are over as few hospitals as may be.
func testCharter(t testing.TB, n, groups int) federation.Charter {
	t.Helper()
	var members []federation.Member
	for i := range n {
		seed := federation.Sum(fmt.Appendf(nil, "identity %d", i))
		key := ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)
		members = append(members, federation.Member{ID: federation.NewHospitalID("test", key),
			IdentityKey: key, TLSKey: federation.Sum(fmt.Appendf(nil, "tls %d", i))})
	}
	c, err := federation.NewCharter("test", "log+key", members, false)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = c.Grouped(slices.Collect(slices.Chunk(c.Roster(), n/groups))); err != nil {
		t.Fatal(err)
	}
	return c.With(federation.Tolerant(n, groups))
}

// testPlan is a small plan with the given number of train rounds.
func testPlan(rounds, evaluateEvery int) federation.Plan {
	return federation.Plan{V: 1, Name: "test",
		Model:       federation.Model{Kind: federation.Logistic},
		Features:    []federation.Feature{{Name: "age", Min: 0, Max: 120, Missing: federation.MissingMean}},
		Label:       federation.Label{Name: "disease"},
		Local:       federation.Local{Optimiser: "sgd", LearningRate: 0.1, Steps: 1},
		Aggregation: federation.Aggregation{Rule: "fedavg", LearningRate: 1},
		Privacy:     federation.Privacy{Bits: 16, Clip: 1, WeightCap: 100, MinRecords: 10},
		Schedule: federation.Schedule{Rounds: rounds, EvaluateEvery: evaluateEvery,
			GatherSeconds: 20, UpdateSeconds: 20, OpenSeconds: 10, GraceSeconds: 5},
	}
}
