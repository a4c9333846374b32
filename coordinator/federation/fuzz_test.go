package federation

import (
	"bytes"
	"errors"
	"testing"
)

// again asserts that what decoded re-encodes to the same bytes.
func again[T any](t *testing.T, b []byte, v T) {
	t.Helper()
	if got := Encode(v); !bytes.Equal(b, got) {
		t.Errorf("%s re-encodes to %s", b, got)
	}
}

func FuzzDecodeCharter(f *testing.F) {
	f.Add(Encode(testCharter(f, 3)))
	f.Add(Encode(testCharter(f, 7)))
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := DecodeCharter(b); err == nil {
			again(t, b, c)
			c.Warnings()
			if c.MaxHostile >= 2*c.Threshold-len(c.Custodians) || c.BurnQuorum() > len(c.Custodians)+c.MaxHostile {
				t.Errorf("charter with t, f = %d, %d of %d holds", c.Threshold, c.MaxHostile, len(c.Custodians))
			}
		}
	})
}

func FuzzDecodePlan(f *testing.F) {
	listed := arrayPlan(3, 9, 8)
	listed.Model.Layers = []Layer{{Kind: Conv, Filters: 2, Kernel: 3}, {Kind: Pool, Size: 2}, {Kind: Dense, Units: 2}}
	f.Add(Encode(listed))
	f.Add(Encode(testPlan()))
	f.Add(Encode(adapter()))
	unequal := testPlan()
	unequal.Local.ProxMu, unequal.Local.PartialWork.Least = 0.1, 0.25
	unequal.Schedule.Deadline, unequal.Schedule.Cohort = Deadline{DeadlineAuto, 5, 0.8, 1.5}, Cohort{Size: 20, Extra: 0.25, Seed: 3}
	unequal.Schedule.Stop = Stop{MetricAUC, 0.9, 4, 0.001}
	f.Add(Encode(unequal))
	f.Add([]byte(`{"v":1,"name":"a"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := DecodePlan(b); err == nil {
			again(t, b, p)
			for _, kind := range []RoundKind{Statistics, Train, Evaluate} {
				if err := p.Format(kind).Validate(); err != nil {
					t.Errorf("%s: %s", err, b)
				}
				p.Questions(kind, Digest{})
				p.Draw(Header{Kind: kind}).Pick([][]HospitalID{{"a", "b", "c"}}, 2)
			}
		}
	})
}

func FuzzDecodeHeader(f *testing.F) {
	c, p := testCharter(f, 3), testPlan()
	f.Add(Encode(testHeader(c, p, Train)))
	f.Add(Encode(testHeader(c, p, Statistics)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := DecodeHeader(b); err == nil {
			again(t, b, h)
			if err := CheckHeader(c, p, h); err != nil && !errors.Is(err, ErrHeader) {
				t.Errorf("unnamed refusal: %v", err)
			}
		}
	})
}

func FuzzDecodeManifest(f *testing.F) {
	c := testCharter(f, 3)
	header := Sum([]byte("header"))
	f.Add(Encode(testManifest(f, c, header).Manifest))
	declined := testManifest(f, c, header).Manifest
	declined.Declines, declined.Pin = []Signed{declineOf(c.Members[0].ID, header)}, Sum([]byte("pin"))
	f.Add(Encode(declined))
	f.Add([]byte(`{"v":1,"header":"","groups":null,"joins":null,"certificates":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeManifest(b)
		if err != nil {
			return
		}
		again(t, b, m)
		v, _ := verified(m) // as far as it decodes
		if err := CheckManifest(c, header, v); err != nil && !errors.Is(err, ErrManifest) {
			t.Errorf("unnamed refusal: %v", err)
		}
		p := testPlan()
		p.Schedule.Cohort.Size = 3
		if err := CheckCohort(c, p, testHeader(c, p, Train), v, nil); err != nil && !errors.Is(err, ErrManifest) {
			t.Errorf("unnamed refusal: %v", err)
		}
	})
}

func FuzzDecodeCandidate(f *testing.F) {
	c := testCharter(f, 3)
	m := testManifest(f, c, Sum([]byte("header")))
	f.Add(Encode(testCandidate(m)))
	f.Add([]byte(`{"v":1,"manifest":"","groups":[[],null]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := DecodeCandidate(b); err == nil {
			again(t, b, s)
			SetDigest(s.Set())
			if err := CheckCandidate(c, m, s); err != nil && !errors.Is(err, ErrCandidate) {
				t.Errorf("unnamed refusal: %v", err)
			}
		}
	})
}

// FuzzDecodeMessages covers signed messages and every body that they carry.
func FuzzDecodeMessages(f *testing.F) {
	c := testCharter(f, 3)
	m := testManifest(f, c, Sum([]byte("header")))
	d, id := Sum([]byte("x")), c.Members[0].ID
	f.Add(Encode(m.Manifest.Joins[0]))
	f.Add(Encode(m.Joins[0].Join))
	capable := m.Joins[0].Join
	capable.Capability = Capability{TrainSeconds: 64, UploadKiB: 1024, MemoryMiB: 1}
	f.Add(Encode(capable))
	f.Add(Encode(testSubmission(c, m)))
	f.Add(Encode(Ready{V: 1, Manifest: d, Candidate: d, Custodian: id, Unreadable: []HospitalID{id}, Checkpoint: TreeHead{3, d}, Cosignature: "line"}))
	f.Add(Encode(Send{V: 1, Manifest: d, Candidate: d, Custodian: id, ShareSums: []Digest{d}, Checkpoint: TreeHead{3, d}, Cosignature: "line"}))
	f.Add(Encode(Vouch{V: 1, Manifest: d, Candidate: d, Hospital: id, Checkpoint: TreeHead{3, d}, Fingerprint: d[:]}))
	f.Add(Encode(Derived{V: 1, Round: 2, Manifest: d, Candidate: d, Custodian: id, Result: d, Version: 2, Snapshot: d, Parameters: d}))
	f.Add(Encode(Derived{V: 1, Manifest: d, Candidate: d, Custodian: id}))
	f.Add(Encode(Objection{V: 1, Custodian: id, Entry: d, Candidate: d, Differs: []Difference{{What: "version", Says: "2", Follows: "3"}}}))
	f.Add(Encode(Burn{V: 1, Manifest: d, Custodian: id}))
	f.Add(Encode(Decline{V: 1, Header: d, Hospital: id, Role: RoleUpdate, Reason: "why"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := DecodeSigned(b); err == nil {
			again(t, b, s)
		}
		decodeAgain[Join](t, b)
		decodeAgain[Ready](t, b)
		decodeAgain[Send](t, b)
		decodeAgain[Vouch](t, b)
		decodeAgain[Derived](t, b)
		decodeAgain[Objection](t, b)
		decodeAgain[Burn](t, b)
		decodeAgain[Decline](t, b)
		if s, err := Decode[Submission](b, MaxMessageBytes); err == nil {
			again(t, b, s)
			if err := CheckSubmission(c, m, s, 1); err != nil && !errors.Is(err, ErrMessage) {
				t.Errorf("unnamed refusal: %v", err)
			}
		}
	})
}

func decodeAgain[T any](t *testing.T, b []byte) {
	t.Helper()
	if v, err := Decode[T](b, MaxMessageBytes); err == nil {
		again(t, b, v)
	}
}
