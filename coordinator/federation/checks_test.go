package federation

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestHeaderRefusals(t *testing.T) {
	c, p := testCharter(t, 5), testPlan()
	for _, kind := range []RoundKind{Statistics, Train, Evaluate} {
		if err := CheckHeader(c, p, testHeader(c, p, kind)); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
	}
	other := Sum([]byte("other"))
	for name, change := range map[string]func(*Header){
		"format":               func(h *Header) { h.V = 2 },
		"federation":           func(h *Header) { h.Federation = "other" },
		"round 0":              func(h *Header) { h.Round = 0 },
		"kind":                 func(h *Header) { h.Kind = "guess" },
		"another kind":         func(h *Header) { h.Kind = Evaluate },
		"charter epoch":        func(h *Header) { h.CharterEpoch++ },
		"charter":              func(h *Header) { h.Charter = other },
		"t lowered":            func(h *Header) { h.Threshold-- },
		"t raised":             func(h *Header) { h.Threshold++ },
		"f lowered":            func(h *Header) { h.MaxHostile-- },
		"h lowered":            func(h *Header) { h.MaxHostileMembers-- },
		"K lowered":            func(h *Header) { h.MinCohort-- },
		"plan":                 func(h *Header) { h.Plan = other },
		"no base":              func(h *Header) { h.Base = Digest{} },
		"no parameters":        func(h *Header) { h.Parameters = Digest{} },
		"version 0":            func(h *Header) { h.Version = 0 },
		"train on nothing":     func(h *Header) { h.Version, h.Base, h.Parameters = 0, Digest{}, Digest{} },
		"statistics again":     func(h *Header) { *h = testHeader(c, p, Statistics); h.Version, h.Base, h.Parameters = 1, other, other },
		"other parameters":     func(h *Header) { h.Parameters = other },
		"no question":          func(h *Header) { h.Questions = nil },
		"another question":     func(h *Header) { h.Questions[0] += "x" },
		"one more question":    func(h *Header) { h.Questions = append(h.Questions, "train/x") },
		"bits":                 func(h *Header) { h.Format.Bits = 32 },
		"clip":                 func(h *Header) { h.Format.Segments[0].Clip = 2 },
		"segment name":         func(h *Header) { h.Format.Segments[0].Name = "x" },
		"segment count":        func(h *Header) { h.Format.Segments[0].Count++ },
		"segment encoding":     func(h *Header) { h.Format.Segments[0].Encoding = "unit" },
		"segment dropped":      func(h *Header) { h.Format.Segments = h.Format.Segments[1:] },
		"ring count":           func(h *Header) { h.Ring.Count-- },
		"ring bits":            func(h *Header) { h.Ring.Bits = 8 },
		"ring group size":      func(h *Header) { h.Ring.GroupSize-- },
		"empty log":            func(h *Header) { h.Checkpoint.Size = 0 },
		"gather by":            func(h *Header) { h.GatherBy = "tomorrow" },
		"gather by, not UTC":   func(h *Header) { h.GatherBy = "2026-03-01T08:00:00.000+01:00" },
		"gather by, no millis": func(h *Header) { h.GatherBy = "2026-03-01T08:00:00Z" },
	} {
		h := clone(t, testHeader(c, p, Train))
		change(&h)
		if err := CheckHeader(c, p, h); !errors.Is(err, ErrHeader) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	weaker := p
	weaker.Privacy.Clip = 2
	if err := CheckHeader(c, weaker, testHeader(c, p, Train)); !errors.Is(err, ErrHeader) {
		t.Errorf("a plan that was not approved: %v", err)
	}
}

func TestManifestRefusals(t *testing.T) {
	c := testCharter(t, 5)
	header, other := Sum([]byte("header")), Sum([]byte("other"))
	if err := CheckManifest(c, header, testManifest(t, c, header)); err != nil {
		t.Fatal(err)
	}
	stranger := HospitalID("h-aaaaaaaaaaaaaaaa")
	for name, change := range map[string]func(*VerifiedManifest){
		"format":                  func(m *VerifiedManifest) { m.V = 0 },
		"header":                  func(m *VerifiedManifest) { m.Header = other },
		"join of another header":  func(m *VerifiedManifest) { m.Joins[3].Header = other },
		"join of a stranger":      func(m *VerifiedManifest) { m.Joins[0].Hospital = stranger },
		"join format":             func(m *VerifiedManifest) { m.Joins[0].V = 2 },
		"join repeated":           func(m *VerifiedManifest) { m.Joins[1] = m.Joins[0] },
		"joins out of order":      func(m *VerifiedManifest) { m.Joins[0], m.Joins[1] = m.Joins[1], m.Joins[0] },
		"custodian without a key": func(m *VerifiedManifest) { m.Joins[0].Key = nil },
		"too few custodians":      func(m *VerifiedManifest) { m.Joins, m.Groups[0] = m.Joins[:3], m.Groups[0][:3] },
		"cohort did not join":     func(m *VerifiedManifest) { m.Joins = m.Joins[:4] },
		"cohort too small":        func(m *VerifiedManifest) { m.Groups[0] = m.Groups[0][:2] },
		"cohort repeated":         func(m *VerifiedManifest) { m.Groups[0][1] = m.Groups[0][0] },
		"cohort out of order":     func(m *VerifiedManifest) { g := m.Groups[0]; g[0], g[1] = g[1], g[0] },
		"stranger in the cohort":  func(m *VerifiedManifest) { m.Groups[0][0] = stranger },
		"no group":                func(m *VerifiedManifest) { m.Groups = nil },
		"another group":           func(m *VerifiedManifest) { m.Groups = append(m.Groups, nil) },
		"short certificate":       func(m *VerifiedManifest) { m.Burns[0] = m.Burns[0][1:] },
		"certificate of another":  func(m *VerifiedManifest) { m.Certificates[0].Manifest = other },
		"certificate unverified":  func(m *VerifiedManifest) { m.Burns = nil },
		"odd capability":          func(m *VerifiedManifest) { m.Joins[2].Capability.UploadKiB = 3 },
		"decline of a stranger": func(m *VerifiedManifest) {
			m.Declines = []VerifiedDecline{{Decline: Decline{V: 1, Header: header, Hospital: stranger, Role: RoleUpdate}}}
		},
		"decline in another role": func(m *VerifiedManifest) {
			m.Declines = []VerifiedDecline{{Decline: Decline{V: 1, Header: header, Hospital: c.Members[0].ID, Role: RoleCustodian}}}
		},
		"decline of another round": func(m *VerifiedManifest) {
			m.Declines = []VerifiedDecline{{Decline: Decline{V: 1, Header: other, Hospital: c.Members[0].ID, Role: RoleUpdate}}}
		},
		"declines out of order": func(m *VerifiedManifest) {
			d := VerifiedDecline{Decline: Decline{V: 1, Header: header, Hospital: c.Members[0].ID, Role: RoleUpdate}}
			m.Declines = []VerifiedDecline{d, d}
		},
		"too many certificates": func(m *VerifiedManifest) {
			m.Certificates, m.Burns = make([]BurnCertificate, MaxCertificates+1), make([][]VerifiedBurn, MaxCertificates+1)
		},
	} {
		m := testManifest(t, clone(t, c), header)
		m.Groups = clone(t, m.Groups)
		change(&m)
		if err := CheckManifest(c, header, m); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestManifestKeys: someone who is no custodian brings no key; in another group is nobody's.
func TestManifestKeys(t *testing.T) {
	c := testCharter(t, 6)
	c.Custodians = c.Custodians[:4]
	c.Groups = CutGroups(c.Roster(), 2)
	c = c.With(Numbers{})
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	header := Sum([]byte("header"))
	m := testManifest(t, c, header)
	if err := CheckManifest(c, header, m); err != nil {
		t.Fatal(err)
	}
	m.Joins[5].Key = []byte("key")
	if err := CheckManifest(c, header, m); !errors.Is(err, ErrManifest) {
		t.Errorf("a key of no custodian: %v", err)
	}
	m = testManifest(t, c, header)
	m.Groups = [][]HospitalID{m.Groups[1], m.Groups[0]}
	if err := CheckManifest(c, header, m); !errors.Is(err, ErrManifest) {
		t.Errorf("groups exchanged: %v", err)
	}
	m = testManifest(t, c, header)
	m.Groups = [][]HospitalID{m.Groups[0], {}}
	if err := CheckManifest(c, header, m); err != nil {
		t.Errorf("an empty group beside a full one: %v", err)
	}
}

func TestCertificateRefusals(t *testing.T) {
	c := testCharter(t, 5)
	c.Custodians = c.Custodians[:4] // t = 4 of 4
	manifest := Sum([]byte("manifest"))
	var burns []VerifiedBurn
	for _, id := range c.Custodians[:c.BurnQuorum()] {
		burns = append(burns, Burn{V: 1, Manifest: manifest, Custodian: id})
	}
	if err := CheckCertificate(c, manifest, burns); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(b []VerifiedBurn) []VerifiedBurn{
		"one short":      func(b []VerifiedBurn) []VerifiedBurn { return b[1:] },
		"none":           func([]VerifiedBurn) []VerifiedBurn { return nil },
		"other manifest": func(b []VerifiedBurn) []VerifiedBurn { b[0].Manifest = Sum([]byte("other")); return b },
		"format":         func(b []VerifiedBurn) []VerifiedBurn { b[0].V = 2; return b },
		"repeated":       func(b []VerifiedBurn) []VerifiedBurn { b[0] = b[1]; return b },
		"no custodian":   func(b []VerifiedBurn) []VerifiedBurn { b[0].Custodian = c.Members[4].ID; return b },
	} {
		if err := CheckCertificate(c, manifest, change(append([]VerifiedBurn(nil), burns...))); !errors.Is(err, ErrCertificate) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestCandidateRefusals(t *testing.T) {
	c := testCharter(t, 6)
	c.Groups = CutGroups(c.Roster(), 2)
	c = c.With(Numbers{Cohort: CohortAny})
	m := testManifest(t, c, Sum([]byte("header")))
	m.Groups = [][]HospitalID{m.Groups[0], m.Groups[1][:2]}
	good := testCandidate(m)
	good.Groups[1], good.Sums[1] = []Submitter{}, Digest{} // dropped
	if err := CheckCandidate(c, m, good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Candidate){
		"format":                 func(s *Candidate) { s.V = 0 },
		"manifest":               func(s *Candidate) { s.Manifest = Sum([]byte("other")) },
		"one group":              func(s *Candidate) { s.Groups = s.Groups[:1] },
		"no submitter":           func(s *Candidate) { s.Groups[0] = nil },
		"fewer than K":           func(s *Candidate) { s.Groups[0] = s.Groups[0][1:] },
		"other group, < K":       func(s *Candidate) { s.Groups[1], s.Sums[1] = testCandidate(m).Groups[1], testCandidate(m).Sums[1] },
		"no sum":                 func(s *Candidate) { s.Sums[0] = Digest{} },
		"a sum of nobody":        func(s *Candidate) { s.Sums[1] = s.Sums[0] },
		"a sum less":             func(s *Candidate) { s.Sums = s.Sums[:1] },
		"a sum more":             func(s *Candidate) { s.Sums = append(s.Sums, s.Sums[0]) },
		"repeated":               func(s *Candidate) { s.Groups[0][1] = s.Groups[0][0] },
		"out of order":           func(s *Candidate) { g := s.Groups[0]; g[0], g[1] = g[1], g[0] },
		"one submission for two": func(s *Candidate) { s.Groups[0][2].Submission = s.Groups[0][0].Submission },
		"of the other group":     func(s *Candidate) { s.Groups[0], s.Groups[1] = s.Groups[1], s.Groups[0] },
		"not in the cohort":      func(s *Candidate) { s.Groups[1] = []Submitter{{Hospital: c.Members[5].ID}} },
	} {
		s := clone(t, good)
		change(&s)
		if err := CheckCandidate(c, m, s); !errors.Is(err, ErrCandidate) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestWholeGroups: where a charter sums all of a group or none, a group without one of the
// charter's is neither asked alone nor summed, whatever K is; another group may be.
func TestWholeGroups(t *testing.T) {
	c := testCharter(t, 8)
	c.Groups = CutGroups(c.Roster(), 2)
	c = c.With(Numbers{MaxHostile: 1, MinCohort: 3, Cohort: CohortAll})
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	header := Sum([]byte("header"))
	for _, x := range []struct {
		first, second int // hospitals of each group
		ok            bool
	}{{4, 4, true}, {4, 0, true}, {4, 3, false}, {3, 3, false}, {3, 4, false}, {0, 4, true}, {3, 0, false}, {0, 0, false}} {
		m := testManifest(t, c, header)
		m.Groups = [][]HospitalID{c.Groups[0][:x.first], c.Groups[1][:x.second]}
		if err := CheckCandidate(c, m, testCandidate(m)); (err == nil) != x.ok || err != nil && !errors.Is(err, ErrCandidate) {
			t.Errorf("%d and %d are summed: %v", x.first, x.second, err)
		}
		some := x.first == 4 || x.second == 4
		if err := CheckManifest(c, header, m); (err == nil) != some || err != nil && !errors.Is(err, ErrManifest) {
			t.Errorf("%d and %d are asked: %v", x.first, x.second, err)
		}
		if c := c.With(Numbers{MaxHostile: 1, MinCohort: 3, Cohort: CohortAny}); (CheckCandidate(c, m, testCandidate(m)) == nil) != (x.first+x.second > 0) {
			t.Errorf("%d and %d, of any three", x.first, x.second)
		}
	}
}

// TestWithin: a later candidate of a manifest only leaves out somebody of the one before.
func TestWithin(t *testing.T) {
	c := testCharter(t, 6)
	c.Groups = [][]HospitalID{c.Groups[0][:3], c.Groups[0][3:]}
	whole := testCandidate(testManifest(t, c, Sum([]byte("header"))))
	for name, x := range map[string]struct {
		change func(*Candidate)
		want   bool
	}{
		"the same":               {func(*Candidate) {}, true},
		"one less":               {func(s *Candidate) { s.Groups[0] = s.Groups[0][1:] }, true},
		"another sum":            {func(s *Candidate) { s.Sums[0] = Sum(nil) }, true},
		"a group dropped":        {func(s *Candidate) { s.Groups[1], s.Sums[1] = []Submitter{}, Digest{} }, true},
		"another submission":     {func(s *Candidate) { s.Groups[0][0].Submission = Sum(nil) }, false},
		"somebody else":          {func(s *Candidate) { s.Groups[0][0].Hospital = "h-aaaaaaaaaaaaaaaa" }, false},
		"of another manifest":    {func(s *Candidate) { s.Manifest = Sum(nil) }, false},
		"a group less":           {func(s *Candidate) { s.Groups = s.Groups[:1] }, false},
		"two submissions in one": {func(s *Candidate) { s.Groups[0][0].Submission = s.Groups[0][1].Submission }, false},
	} {
		s := clone(t, whole)
		x.change(&s)
		if got := s.Within(whole); got != x.want {
			t.Errorf("%s: within is %v", name, got)
		}
	}
}

func TestSubmissionRefusals(t *testing.T) {
	c := testCharter(t, 5)
	m := testManifest(t, c, Sum([]byte("header")))
	m.Joins = m.Joins[:4] // the last custodian did not join
	m.Groups = [][]HospitalID{c.Groups[0][:4]}
	if err := CheckSubmission(c, m, testSubmission(c, m), 1); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Submission){
		"format":                   func(s *Submission) { s.V = 0 },
		"manifest":                 func(s *Submission) { s.Manifest = Sum([]byte("other")) },
		"group":                    func(s *Submission) { s.Group = 1 },
		"not in the cohort":        func(s *Submission) { s.Hospital = c.Members[4].ID },
		"no segment":               func(s *Submission) { s.Segments = nil },
		"two segments":             func(s *Submission) { s.Segments = append(s.Segments, s.Segments[0]) },
		"envelope missing":         func(s *Submission) { s.Envelopes[0] = Digest{} },
		"envelope for the absent":  func(s *Submission) { s.Envelopes[4] = Sum(nil) },
		"fewer envelopes than m":   func(s *Submission) { s.Envelopes = s.Envelopes[:4] },
		"more envelopes than m":    func(s *Submission) { s.Envelopes = append(s.Envelopes, Digest{}) },
		"envelopes in other order": func(s *Submission) { s.Envelopes[3], s.Envelopes[4] = s.Envelopes[4], s.Envelopes[3] },
	} {
		s := clone(t, testSubmission(c, m))
		change(&s)
		if err := CheckSubmission(c, m, s, 1); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestClipOfHeader: where the clip follows the aggregate a header's may be any that the
// plan allows, of each tensor and nothing else, and exactly what the base says.
func TestClipOfHeader(t *testing.T) {
	c, p := testCharter(t, 5), testPlan()
	p.Aggregation.Rule, p.Privacy.Clip, p.Privacy.ClipLeast = Scaffold, 2, 0.25
	clips := []float64{2, 0.25, 1, 0.5, 0.75, 2}
	with := func(clips []float64) Header {
		h := testHeader(c, p, Train)
		h.Format = p.FormatAt(Train, clips)
		return h
	}
	if err := CheckHeader(c, p, with(clips)); err != nil {
		t.Fatal(err)
	}
	if err := CheckClips(p, with(clips), clips); err != nil {
		t.Fatal(err)
	}
	if got, err := with(clips).Clips(p); err != nil || !slices.Equal(got, clips) {
		t.Errorf("%v, %v", got, err)
	}
	for _, kind := range []RoundKind{Statistics, Evaluate} {
		if err := CheckClips(p, testHeader(c, p, kind), nil); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, bad := range []float64{0.24, 2.1, 0, -1} {
		if err := CheckHeader(c, p, with([]float64{2, 0.25, bad, 0.5, 0.75, 2})); !errors.Is(err, ErrHeader) || !strings.Contains(err.Error(), "layer2.weight") {
			t.Errorf("clip %v: %v", bad, err)
		}
	}
	for name, change := range map[string]func(*Header){
		"of the control variate": func(h *Header) { h.Format.Segments[6].Clip = 0.5 },
		"of the weight":          func(h *Header) { h.Format.Segments[12].Clip = 0.5 },
		"no tensors":             func(h *Header) { h.Format.Segments = nil },
	} {
		h := clone(t, with(clips))
		change(&h)
		if err := CheckHeader(c, p, h); !errors.Is(err, ErrHeader) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := CheckClips(p, with(clips), []float64{2, 0.25, 1, 0.5, 0.75, 1.9}); !errors.Is(err, ErrHeader) {
		t.Errorf("another than the base says: %v", err)
	}
}
