package federation

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"testing"
)

// testMembers are n hospitals with keys derived from their numbers.
func testMembers(n int) []Member {
	var members []Member
	for i := range n {
		seed := Sum(fmt.Appendf(nil, "identity %d", i))
		key := ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)
		members = append(members, Member{ID: NewHospitalID("test", key), IdentityKey: key, TLSKey: Sum(fmt.Appendf(nil, "tls %d", i))})
	}
	return members
}

func testCharter(t testing.TB, n int) Charter {
	t.Helper()
	c, err := NewCharter("test", "log+key", testMembers(n), false)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// clone is a deep copy, so that a test may change what it likes.
func clone[T any](t testing.TB, v T) T {
	t.Helper()
	out, err := Decode[T](Encode(v), MaxManifestBytes)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func testPlan() Plan {
	return Plan{V: 1, Name: "cardio-1",
		Model: Model{Kind: MLP, Hidden: []int{4, 2}},
		Features: []Feature{{Name: "age", Unit: "year", Min: 18, Max: 100, Missing: MissingMean},
			{Name: "chol", Unit: "mg/dl", Min: 0, Max: 700, Missing: MissingReject, Note: "0 is <not measured>"}},
		Label:       Label{Name: "disease"},
		Local:       Local{Optimiser: "sgd", LearningRate: 0.1, Steps: 10},
		Aggregation: Aggregation{Rule: "fedavg", LearningRate: 1},
		Privacy:     Privacy{Bits: 16, Clip: 1, WeightCap: 1024, MinRecords: 10},
		Schedule:    Schedule{Rounds: 40, EvaluateEvery: 10, GatherSeconds: 60, UpdateSeconds: 600, OpenSeconds: 60, GraceSeconds: 10},
	}
}

func testHeader(c Charter, p Plan, kind RoundKind) Header {
	h := Header{V: 1, Federation: c.Federation, Round: 7, Kind: kind, Plan: p.Digest(), CharterEpoch: c.Epoch, Charter: c.Digest(),
		Threshold: c.Threshold, MaxHostile: c.MaxHostile, MaxHostileMembers: c.MaxHostileMembers, MinCohort: c.MinCohort, Format: p.Format(kind),
		Checkpoint: TreeHead{Size: 12, Root: Sum([]byte("root"))}, GatherBy: "2026-03-01T08:00:00.000Z"}
	if kind != Statistics {
		h.Version, h.Newest, h.Base, h.Parameters = 3, 3, Sum([]byte("base")), Sum([]byte("parameters"))
	}
	h.Questions = p.Questions(kind, h.Parameters)
	h.Ring = Ring{LogN: 12, Primes: []uint64{12289}, Bits: h.Format.Bits, Width: 18, PerCoefficient: 3, LogDelta: 9,
		GroupSize: c.LargestGroup(), Count: h.Format.Count()}
	return h
}

// testManifest has every member join; the signed Joins carry bodies but no signatures.
func testManifest(t testing.TB, c Charter, header Digest) VerifiedManifest {
	m := Manifest{V: 1, Header: header, Groups: c.Groups, Certificates: []BurnCertificate{}}
	burnt := Sum([]byte("earlier manifest"))
	for _, member := range c.Members {
		j := Join{V: 1, Header: header, Hospital: member.ID, Counter: 4, Incarnation: Sum([]byte("run"))}
		if _, custodian := c.Point(member.ID); custodian {
			j.Key = []byte("one-round key")
		}
		m.Joins = append(m.Joins, Signed{Signer: member.ID, Body: Encode(j), Signature: []byte("signature")})
	}
	cert := BurnCertificate{Manifest: burnt}
	for _, id := range c.Custodians[:c.BurnQuorum()] {
		cert.Burns = append(cert.Burns, Signed{Signer: id, Body: Encode(Burn{V: 1, Manifest: burnt, Custodian: id}), Signature: []byte("signature")})
	}
	m.Certificates = append(m.Certificates, cert)
	v, ok := verified(m)
	if !ok {
		t.Fatal("the manifest's messages do not decode")
	}
	return v
}

// verified decodes what a manifest embeds; the tests do without signatures.
func verified(m Manifest) (VerifiedManifest, bool) {
	v := VerifiedManifest{Manifest: m, Digest: m.Digest()}
	for _, s := range m.Joins {
		j, err := Decode[Join](s.Body, MaxMessageBytes)
		if err != nil {
			return v, false
		}
		v.Joins = append(v.Joins, VerifiedJoin{Join: j, Blob: s.Digest()})
	}
	for _, s := range m.Declines {
		d, err := Decode[Decline](s.Body, MaxMessageBytes)
		if err != nil {
			return v, false
		}
		v.Declines = append(v.Declines, VerifiedDecline{Decline: d, Blob: s.Digest()})
	}
	for _, c := range m.Certificates {
		var burns []VerifiedBurn
		for _, s := range c.Burns {
			b, err := Decode[Burn](s.Body, MaxMessageBytes)
			if err != nil {
				return v, false
			}
			burns = append(burns, b)
		}
		v.Burns = append(v.Burns, burns)
	}
	return v, true
}

func testCandidate(m VerifiedManifest) Candidate {
	s := Candidate{V: 1, Manifest: m.Digest}
	for _, group := range m.Groups {
		list := []Submitter{}
		for _, id := range group {
			list = append(list, Submitter{Hospital: id, Submission: Sum([]byte(id))})
		}
		s.Groups = append(s.Groups, list)
		sum := Digest{}
		if len(list) > 0 {
			sum = Sum(Encode(group))
		}
		s.Sums = append(s.Sums, sum)
	}
	return s
}

func testSubmission(c Charter, m VerifiedManifest) Submission {
	s := Submission{V: 1, Manifest: m.Digest, Hospital: c.Members[0].ID, Segments: []Digest{Sum([]byte("segment"))}}
	for _, id := range c.Custodians {
		d := Digest{}
		if m.Custodian(id) != nil {
			d = Sum([]byte(id))
		}
		s.Envelopes = append(s.Envelopes, d)
	}
	return s
}

func equal[T any](a, b T) bool { return bytes.Equal(Encode(a), Encode(b)) }
