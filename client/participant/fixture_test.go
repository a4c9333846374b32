package participant

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"testing"

	"atrium/coordinator/federation"
)

// testCharter is a charter of n hospitals whose first m are custodians. It is not
// validated: some tests want one that breaks the rules.
func testCharter(n, m, t, f int) federation.Charter {
	c := federation.Charter{V: 1, Federation: "test", Epoch: 1, LogKey: "log", Threshold: t, MaxHostile: f, MaxHostileMembers: max(1, f), MinCohort: max(3, f+2)}
	for i := range n {
		seed := federation.Sum(fmt.Appendf(nil, "identity %d", i))
		key := ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)
		c.Members = append(c.Members, federation.Member{ID: federation.NewHospitalID("test", key), IdentityKey: key,
			TLSKey: federation.Sum(fmt.Appendf(nil, "tls %d", i))})
	}
	slices.SortFunc(c.Members, func(a, b federation.Member) int { return strings.Compare(string(a.ID), string(b.ID)) })
	group := []federation.HospitalID{}
	for _, member := range c.Members {
		group = append(group, member.ID)
	}
	c.Custodians, c.Groups = group[:m:m], [][]federation.HospitalID{group}
	return c
}

func testPlan() federation.Plan {
	return federation.Plan{V: 1, Name: "test",
		Model:       federation.Model{Kind: federation.Logistic},
		Features:    []federation.Feature{{Name: "age", Min: 0, Max: 120, Missing: federation.MissingMean}},
		Label:       federation.Label{Name: "disease"},
		Local:       federation.Local{Optimiser: "sgd", LearningRate: 0.1, Steps: 1},
		Aggregation: federation.Aggregation{Rule: "fedavg", LearningRate: 1},
		Privacy:     federation.Privacy{Bits: 16, Clip: 1, WeightCap: 100, MinRecords: 10},
		Schedule: federation.Schedule{Rounds: 1, GatherSeconds: 1, UpdateSeconds: 1, OpenSeconds: 1, GraceSeconds: 1,
			Months: federation.Months{Date: "admitted", First: "2026-01", Count: 12}},
	}
}

// testHeader is the header of a train round on one base, the same question whatever the round.
func testHeader(c federation.Charter, p federation.Plan, round uint64) federation.Header {
	h := federation.Header{V: 1, Federation: c.Federation, Round: round, Kind: federation.Train, Plan: p.Digest(),
		Version: 1, Newest: 1, Base: federation.Sum([]byte("base")), Parameters: federation.Sum([]byte("parameters")),
		CharterEpoch: c.Epoch, Charter: c.Digest(), Threshold: c.Threshold, MaxHostile: c.MaxHostile, MaxHostileMembers: c.MaxHostileMembers, MinCohort: c.MinCohort,
		Format: p.Format(federation.Train), GatherBy: "2026-03-01T08:00:00.000Z", Checkpoint: federation.TreeHead{Size: 1}}
	h.Questions = p.Questions(h.Kind, h.Parameters)
	h.Ring = federation.Ring{Count: h.Format.Count(), Bits: h.Format.Bits, GroupSize: c.LargestGroup()}
	return h
}

// testManifest has everyone join h; own is the Join of the hospital under test.
func testManifest(c federation.Charter, h federation.Header, own federation.Join, name string) federation.VerifiedManifest {
	m := federation.VerifiedManifest{Manifest: federation.Manifest{V: 1, Header: h.Digest(), Groups: c.Groups}, Digest: federation.Sum([]byte(name))}
	for _, member := range c.Members {
		j := federation.Join{V: 1, Header: h.Digest(), Hospital: member.ID, Counter: 1}
		if member.ID == own.Hospital {
			j = own
		}
		if _, custodian := c.Point(member.ID); custodian {
			j.Key = []byte("key")
		}
		m.Joins = append(m.Joins, federation.VerifiedJoin{Join: j})
	}
	return m
}

// certify adds burn certificates of other manifests, signed by the first quorum custodians.
func certify(c federation.Charter, m *federation.VerifiedManifest, burnt ...federation.Digest) {
	for _, manifest := range burnt {
		var burns []federation.VerifiedBurn
		for _, id := range c.Custodians[:min(c.BurnQuorum(), len(c.Custodians))] {
			burns = append(burns, federation.Burn{V: 1, Manifest: manifest, Custodian: id})
		}
		m.Certificates = append(m.Certificates, federation.BurnCertificate{Manifest: manifest})
		m.Burns = append(m.Burns, burns)
	}
}

// candidateOf is a candidate of a manifest that sums the given members of the only group.
func candidateOf(manifest federation.Digest, ids ...federation.HospitalID) federation.Candidate {
	group := []federation.Submitter{}
	for _, id := range ids {
		group = append(group, federation.Submitter{Hospital: id, Submission: federation.Sum([]byte(id))})
	}
	return federation.Candidate{V: 1, Manifest: manifest, Groups: [][]federation.Submitter{group}, Sums: []federation.Digest{federation.Sum(federation.Encode(group))}}
}

// releasing has every hospital release an earlier manifest in its Join, but for some of the roster.
func releasing(earlier federation.Digest, but ...int) func(*federation.VerifiedManifest) {
	return func(m *federation.VerifiedManifest) {
		for i := range m.Joins {
			if !slices.Contains(but, i) {
				m.Joins[i].Releases = []federation.Digest{earlier}
			}
		}
	}
}

var shareSums = []federation.Digest{federation.Sum([]byte("share sum"))}

// readyFor brings s to hold its share sums for a candidate.
func readyFor(t testing.TB, s State, m federation.VerifiedManifest, c federation.Candidate, before *federation.Candidate) State {
	t.Helper()
	entries, err := BeReady(s, m, c, before, shareSums)
	return mustApply(t, s, entries, err)
}

// send is ready for a candidate and sends for it.
func send(s State, m federation.VerifiedManifest, c federation.Candidate) (State, error) {
	entries, err := BeReady(s, m, c, nil, shareSums)
	for _, e := range entries {
		if s, err = Apply(s, e); err != nil {
			return s, err
		}
	}
	if err != nil {
		return s, err
	}
	entries, err = SendFor(s, m.Digest, c.Digest(), federation.Sum([]byte("signed send")))
	for _, e := range entries {
		if s, err = Apply(s, e); err != nil {
			return s, err
		}
	}
	return s, err
}

func mustApply(t testing.TB, s State, entries []Entry, err error) State {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if s, err = Apply(s, e); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// joinAndAccept brings s under a manifest of the given header; adjust may change it first.
func joinAndAccept(t testing.TB, s State, h federation.Header, name string, adjust func(*federation.VerifiedManifest)) (State, federation.VerifiedManifest, error) {
	t.Helper()
	entries, err := JoinHeader(s, testPlan(), h)
	s = mustApply(t, s, entries, err)
	entries, err = TakeBase(s, s.Live.Base)
	s = mustApply(t, s, entries, err)
	m := testManifest(s.Charter, h, federation.Join{V: 1, Header: h.Digest(), Hospital: s.Self, Counter: s.Counter, Incarnation: s.Live.Incarnation}, name)
	if adjust != nil {
		adjust(&m)
	}
	entries, err = AcceptManifest(s, testPlan(), h, m, nil)
	if err != nil {
		return s, m, err
	}
	return mustApply(t, s, entries, nil), m, nil
}
