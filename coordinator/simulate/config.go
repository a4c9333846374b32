package simulate

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
	"atrium/storage"
	"atrium/storage/models"
)

// Config is one simulation.
type Config struct {
	Plan       federation.Plan
	Profiles   Profiles
	Population []Hospital
	Groups     int    // summed apart; 0: one
	Seed       uint64 // of everything that the population did not draw already
	Encrypted  Learners
	Exact      Learners       // the same hospitals, whose contributions are not clipped
	Workers    int            // goroutines that train; 0: one
	Store      storage.Bucket // of what each round learned; nil: none
	Progress   func(Progress) // called after each round, and while one is trained; nil: nobody

	check func(world *world) error // of tests, after every entry
}

// Learners compute what hospitals contribute, by their index in the population. Different
// hospitals are computed by several goroutines at once, one hospital by one.
type Learners interface {
	// Rows is how many records a round of a kind uses at a hospital.
	Rows(hospital int, kind federation.RoundKind) int
	// Version reads a snapshot; nil stands for the round that has none, of statistics.
	Version(s *models.Snapshot) (Version, error)
	// Kept returns what a hospital keeps of its own if a round is summed, nil if nothing.
	Kept(hospital int, round uint64) ([]byte, error)
	// Restore takes up what Kept returned in an earlier run of the simulation.
	Restore(hospital int, round uint64, kept []byte) error
}

// Version is a model as hospitals use it.
type Version interface {
	// Contribute returns the values of a hospital in the layout of the header's format. An
	// error other than the context's means that the hospital declines. steps are those of
	// partial work; 0: all.
	Contribute(ctx context.Context, hospital int, h federation.Header, steps int, seed uint64) ([]float64, error)
	// Score returns label and score of the records that a hospital holds back.
	Score(hospital int) (labels, scores []float64, err error)
	// Counted is the round that last summed an update of the hospital; 0: none.
	Counted(hospital int) uint64
}

// Progress is where a simulation stands.
type Progress struct {
	Round  uint64
	Kind   federation.RoundKind
	Phase  string
	Ended  bool // the round
	Done   int  // train rounds
	Of     int
	Metric *float64 // AUC of the last version
	Days   float64  // virtual
}

// IDs returns the hospitals' pseudonyms, in the order of the population.
func (c Config) IDs() ([]federation.HospitalID, error) {
	_, index, err := c.charter()
	ids := make([]federation.HospitalID, len(c.Population))
	for id, i := range index {
		ids[i] = id
	}
	return ids, err
}

// charter enrols the population. members has the hospital of each ID.
func (c Config) charter() (federation.Charter, map[federation.HospitalID]int, error) {
	var members []federation.Member
	index := map[federation.HospitalID]int{}
	for i, h := range c.Population {
		seed := federation.Sum(binary.BigEndian.AppendUint64([]byte("atrium/simulation/v1\nidentity\n"+h.Name+"\n"), c.Seed))
		key := ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)
		id := federation.NewHospitalID("simulation", key)
		members = append(members, federation.Member{ID: id, Name: h.Name, IdentityKey: key, TLSKey: federation.Sum([]byte(h.Name))})
		index[id] = i
	}
	charter, err := federation.NewCharter("simulation", "simulation", members, true)
	if err != nil {
		return charter, nil, err
	}
	if custodians := c.custodians(charter, index); len(custodians) >= 3 {
		charter.Custodians = custodians
	}
	charter.Groups, err = c.groups(index)
	if err == nil {
		charter = charter.With(federation.Numbers{Cohort: federation.CohortAny})
		charter.MinCohort = charter.MaxHostileMembers + 2 // the least: hospitals of a simulation are away
		err = charter.Validate()
	}
	return charter, index, err
}

// custodians are the first hospitals of each class, as many as the class has; those that
// a small class lacks are of the classes after it.
func (c Config) custodians(charter federation.Charter, index map[federation.HospitalID]int) []federation.HospitalID {
	chosen, want, class := map[int]bool{}, 0, -1
	for i, h := range c.Population {
		for class < h.Class {
			class++
			want += c.Profiles.Classes[class].Custodians
		}
		if want > 0 {
			chosen[i] = true
			want--
		}
	}
	var out []federation.HospitalID
	for _, m := range charter.Members {
		if chosen[index[m.ID]] {
			out = append(out, m.ID)
		}
	}
	return out
}

// groups deals the hospitals out, so that each group has some of each class.
func (c Config) groups(index map[federation.HospitalID]int) ([][]federation.HospitalID, error) {
	ids := make([]federation.HospitalID, len(c.Population))
	for id, i := range index {
		ids[i] = id
	}
	groups := make([][]federation.HospitalID, max(1, c.Groups))
	for i, id := range ids {
		groups[i%len(groups)] = append(groups[i%len(groups)], id)
	}
	for _, g := range groups {
		if len(g) < 3 {
			return nil, fmt.Errorf("%d groups of %d hospitals: want 3 or more in each", c.Groups, len(ids))
		}
		slices.Sort(g)
	}
	return groups, nil
}
