package round_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// thousand is a federation of 1,000 hospitals, with as many custodians as there may be.
func thousand(t *testing.T, groups int) *story {
	t.Helper()
	c := testCharter(t, 1000, 1)
	all := c.Groups[0]
	c.Custodians = all[:federation.MaxCustodians]
	c.Threshold, c.MaxHostile, c.MaxHostileMembers, c.MinCohort = 61, 3, 21, 23
	c.Groups = slices.Collect(slices.Chunk(all, len(all)/groups))
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, rng: rand.New(rand.NewPCG(1, 1)), healthy: true, charter: c, plan: testPlan(1, 0), blobs: map[federation.Digest]any{}}
	s := &story{t: t, held: map[federation.HospitalID]update{}, coordinator: &coordinator{w: w, up: true, state: round.State{Charter: c}}}
	s.commitBounded(round.Started{Charter: c.Digest()}, round.Led{}, round.PlanAccepted{Plan: w.plan.Digest(), Schedule: w.plan.Schedule})
	return s
}

// commitBounded commits events and checks that every entry can be one of the log.
func (s *story) commitBounded(events ...round.Event) {
	s.t.Helper()
	for _, ev := range events {
		entries, err := round.Decide(s.state, ev, s.moment())
		if err != nil {
			s.t.Fatalf("%T: %v", ev, err)
		}
		for _, e := range entries {
			raw := e.Encode()
			if len(raw) > round.MaxEntryBytes {
				s.t.Errorf("%s: entry of %d bytes", e.Kind, len(raw))
			}
			if e, err = round.DecodeEntry(raw); err != nil {
				s.t.Fatal(err)
			}
			if s.state, err = round.Apply(s.state, e); err != nil {
				s.t.Fatal(err)
			}
			s.log = append(s.log, raw)
		}
	}
}

func (s *story) ownBounded(kind round.TaskKind) {
	s.t.Helper()
	tasks := round.OwnTasks(s.state, s.moment())
	if len(tasks) != 1 || tasks[0].Kind != kind {
		s.t.Fatalf("owed: %v, want %s: %s", tasks, kind, round.Waiting(s.state))
	}
	s.commitBounded(s.event(tasks[0], s.state))
}

// TestThousandHospitals: with the largest sets that entries name, of hospitals, groups and
// custodians, and with the longest reasons, each entry stays under the log's limit, and so
// does the state that the log names.
func TestThousandHospitals(t *testing.T) {
	reason := strings.Repeat("<", federation.MaxReason) // six bytes each in JSON
	for _, groups := range []int{1, 40} {
		t.Run(fmt.Sprintf("groups=%d", groups), func(t *testing.T) {
			s := thousand(t, groups)
			members := s.w.charter.Members
			s.ownBounded(round.TaskOpen)
			for i, m := range members {
				join := federation.VerifiedJoin{Join: federation.Join{V: 1, Header: s.state.Round.Header, Hospital: m.ID, Counter: 1,
					Incarnation: federation.Sum([]byte(m.ID))}}
				if i < len(s.w.charter.Custodians) {
					join.Key = []byte("key")
				}
				join.Blob = federation.Sum(federation.Encode(join.Join))
				s.w.blobs[join.Blob] = join
				s.commitBounded(round.JoinVerified{VerifiedJoin: join})
			}
			s.ownBounded(round.TaskManifest)
			for i, m := range members {
				if i == 999 {
					s.commitBounded(round.DeclineVerified{Blob: s.w.digest("decline"), Decline: federation.Decline{V: 1,
						Header: s.state.Round.Header, Hospital: m.ID, Role: federation.RoleUpdate, Reason: reason}},
						round.MessageRefused{Round: 1, Hospital: m.ID, Role: federation.RoleUpdate, Reason: reason})
					continue
				}
				u := update{oneHot: m.ID, Submission: federation.Submission{V: 1, Manifest: s.state.Round.Manifest, Hospital: m.ID}}
				u.blob = federation.Sum(federation.Encode(u.Submission))
				s.w.blobs[u.blob] = u
				s.commitBounded(round.UpdateVerified{Submission: u.Submission, Blob: u.blob})
			}
			s.ownBounded(round.TaskPropose)
			s.readyAll(groups)
			for _, a := range s.state.Round.Readies {
				if len(a.Unreadable) > 0 {
					continue
				}
				sums := shareSums{Send: federation.Send{V: 1, Manifest: s.state.Round.Manifest, Candidate: s.state.Round.Candidate, Custodian: a.Custodian}}
				sums.blob = federation.Sum(federation.Encode(sums.Send))
				s.w.blobs[sums.blob] = sums
				s.commitBounded(round.SendVerified{Send: sums.Send, Blob: sums.blob})
			}
			ev := s.event(round.OwnTasks(s.state, s.moment())[0], s.state).(round.SumOpened)
			ev.Wrong, ev.Note = s.w.charter.Custodians, reason
			s.commitBounded(ev)
			if s.state.Round.Phase != round.Done {
				t.Fatalf("the round is %s: %s", s.state.Round.Phase, round.Waiting(s.state))
			}
			s.checkMemo()
		})
	}
}

// readyAll has, in one group, enough custodians complain about as many submitters as an entry
// may name, so that another candidate drops them, and then everyone but f be ready.
func (s *story) readyAll(groups int) {
	s.t.Helper()
	all := slices.Concat(s.w.charter.Groups...)
	say := func(id federation.HospitalID, unreadable []federation.HospitalID) {
		a := federation.Ready{V: 1, Manifest: s.state.Round.Manifest, Candidate: s.state.Round.Candidate, Custodian: id, Unreadable: unreadable}
		s.commitBounded(round.ReadyVerified{Ready: a, Blob: federation.Sum(federation.Encode(a))})
	}
	if groups == 1 {
		for _, id := range s.w.charter.Custodians {
			say(id, all[:round.MaxUnreadable])
		}
		s.ownBounded(round.TaskPropose)
	}
	for i, id := range s.w.charter.Custodians {
		if i < s.w.charter.MaxHostile && groups == 1 {
			say(id, all[300:301])
		} else {
			say(id, nil)
		}
	}
}

// checkMemo: the state of so many hospitals comes back, and is far from its bound.
func (s *story) checkMemo() {
	s.t.Helper()
	m := round.Memo{State: round.State{Charter: s.w.charter}}
	for _, e := range s.entries() {
		var err error
		if m, err = m.Apply(e); err != nil {
			s.t.Fatal(err)
		}
	}
	blob := m.Encode()
	if again, err := round.DecodeMemo(blob); err != nil || len(blob) > round.MaxMemoBytes/8 || again.Size != m.Size {
		s.t.Errorf("state of %d bytes: %v", len(blob), err)
	}
	s.t.Logf("%d entries, state of %d bytes", m.Size, len(blob))
}
