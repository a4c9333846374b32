package round_test

import (
	"slices"
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// newDrawnStory is a story of six hospitals of which each train round wants three and asks
// four, after the statistics. It returns the letters in the order in which the base of the
// first train round draws them.
func newDrawnStory(t *testing.T) (s *story, order string) {
	t.Helper()
	s = newPlannedStory(t, 6, 1, func(p *federation.Plan) {
		p.Schedule.Rounds, p.Schedule.Cohort = 2, federation.Cohort{Size: 3, Extra: 0.3}
	})
	s.statistics("ABCDEF")
	return s, s.order()
}

// order is that in which the newest version draws the hospitals of the only group.
func (s *story) order() (letters string) {
	draw := federation.DrawOf(s.state.Schedule.Cohort, federation.Train, s.state.Plan, s.state.Model.Snapshot)
	var known []federation.HospitalID
	for n := range s.w.charter.Members {
		for _, id := range draw.Pick(s.w.charter.Groups, n+1)[0] {
			if !slices.Contains(known, id) {
				known = append(known, id)
				i := slices.IndexFunc(s.w.charter.Members, func(m federation.Member) bool { return m.ID == id })
				letters += string(rune('A' + i))
			}
		}
	}
	return letters
}

func (s *story) cohort() []federation.HospitalID { return s.state.Round.Cohort[0] }

func (s *story) sorted(letters string) []federation.HospitalID {
	ids := s.ids(letters)
	slices.Sort(ids)
	return ids
}

// isOwed reports whether the coordinator's task is owed now.
func (s *story) isOwed(kind round.TaskKind) bool {
	return slices.ContainsFunc(round.Pending(s.state, s.moment()), func(t round.Task) bool { return t.Kind == kind })
}

// TestStoryOverSelection: of four who are asked one is slow; the round ends without it, what
// it sends is discarded, and nobody waits.
func TestStoryOverSelection(t *testing.T) {
	s, order := newDrawnStory(t)
	s.own(round.TaskOpen)
	s.join("ABCDEF")
	s.own(round.TaskManifest)
	if !slices.Equal(s.cohort(), s.sorted(order[:4])) {
		t.Fatalf("the cohort is %v, drawn were %s", s.cohort(), order[:4])
	}
	s.update(order[:2])
	if s.isOwed(round.TaskPropose) {
		t.Error("two updates are enough")
	}
	s.update(order[3:4])
	s.own(round.TaskPropose)
	s.update(order[2:3]) // too late
	s.refused("an update of who was not asked", round.ErrNotInCohort, round.UpdateVerified{Blob: s.w.digest("blob"),
		Submission: federation.Submission{V: 1, Manifest: s.state.Round.Manifest, Hospital: s.id(order[4:5])}})
	s.ready("A", "B", "C", "D", "E", "F")
	s.send("ABCDE")
	s.own(round.TaskPublish)
	if want := s.sorted(order[:2] + order[3:4]); !slices.Equal(s.state.Round.S[0], want) || len(s.state.Round.Discarded) != 1 {
		t.Errorf("S is %v, want %v; %d were discarded", s.state.Round.S[0], want, len(s.state.Round.Discarded))
	}
	if s.order() == order {
		t.Errorf("the next base draws %s again", order)
	}
	s.tell("over-selection")
}

// TestDrawGoesOnBehindThoseWhoAreAway: who is gone or declines makes room for the next.
func TestDrawGoesOnBehindThoseWhoAreAway(t *testing.T) {
	s, order := newDrawnStory(t)
	s.own(round.TaskOpen)
	away, declines := order[0:1], order[1:2]
	s.gone = s.ids(away)
	s.join(declines)
	s.must("decline", s.declineEvent(declines, federation.RoleUpdate))
	s.join(order[2:6])
	s.own(round.TaskManifest)
	if !slices.Equal(s.cohort(), s.sorted(order[2:6])) {
		t.Errorf("the cohort is %v, want %s", s.cohort(), order[2:6])
	}
	m := s.w.blobs[s.state.Round.Manifest].(federation.VerifiedManifest)
	if len(m.Declines) != 1 || m.Declines[0].Hospital != s.id(declines) {
		t.Errorf("the manifest carries %d declines", len(m.Declines))
	}
	if err := federation.CheckCohort(s.w.charter, s.w.plan, s.w.blobs[m.Header].(federation.Header), m, nil); err != nil {
		t.Error(err)
	}
}

// TestDrawIsWidened: the draw stays while the base does; where its first hospitals fail,
// the next round asks more, until it asks all.
func TestDrawIsWidened(t *testing.T) {
	s, order := newDrawnStory(t)
	for asked, failures := 4, 0; failures < 2; failures++ {
		s.own(round.TaskOpen)
		s.join("ABCDEF")
		s.own(round.TaskManifest)
		if !slices.Equal(s.cohort(), s.sorted(order[:asked])) {
			t.Errorf("after %d failures the cohort is %v, want %s", failures, s.cohort(), order[:asked])
		}
		for _, l := range order[:asked] {
			if len(s.state.Round.Declined) < asked-2 {
				s.must("decline", s.declineEvent(string(l), federation.RoleUpdate))
			}
		}
		s.own(round.TaskAbandon)
		s.pass(10)
		asked = 6
	}
}

// TestDrawOfGroups: each group is drawn and content by itself.
func TestDrawOfGroups(t *testing.T) {
	c := testCharter(t, 8, 2)
	c.MaxHostile, c.MaxHostileMembers, c.MinCohort = 1, 1, 3
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	plan := testPlan(1, 0)
	plan.Schedule.Cohort = federation.Cohort{Size: 3}
	s := newStoryOf(t, c, plan)
	s.statistics("ABCDEFGH")
	s.own(round.TaskOpen)
	s.join("ABCDEFGH")
	s.own(round.TaskManifest)
	if len(s.state.Round.Cohort) != 2 || len(s.state.Round.Cohort[0]) != 3 || len(s.state.Round.Cohort[1]) != 3 {
		t.Fatalf("the cohort is %v", s.state.Round.Cohort)
	}
	for g, group := range s.state.Round.Cohort {
		for i, id := range group {
			if s.isOwed(round.TaskPropose) {
				t.Errorf("the round is content in the middle of group %d, after %d updates", g, i)
			}
			s.update(s.letter(id))
		}
	}
	if !s.isOwed(round.TaskPropose) {
		t.Error("the round is not content with three updates of each group")
	}
}

func (s *story) letter(id federation.HospitalID) string {
	return string(rune('A' + slices.IndexFunc(s.w.charter.Members, func(m federation.Member) bool { return m.ID == id })))
}

// TestEveryoneEvaluates: only train rounds draw.
func TestEveryoneEvaluates(t *testing.T) {
	s, order := newDrawnStory(t)
	s.state.Schedule.EvaluateEvery = 1
	s.own(round.TaskOpen)
	s.join("ABCDEF")
	s.own(round.TaskManifest)
	s.update(order[:3])
	s.own(round.TaskPropose)
	s.ready("A", "B", "C", "D", "E", "F")
	s.send("ABCDE")
	s.own(round.TaskPublish)
	s.own(round.TaskOpen)
	s.join("ABCDE")
	if s.isOwed(round.TaskManifest) {
		t.Error("an evaluation does not wait for everyone who is there")
	}
	s.join("F")
	s.own(round.TaskManifest)
	if s.state.Round.Kind != federation.Evaluate || len(s.cohort()) != 6 {
		t.Errorf("%s asks %d", s.state.Round.Kind, len(s.cohort()))
	}
}

// TestNobodyWaitsForThoseWhoWouldNotBeAsked: a custodian is waited for, who brings a key;
// others only if they would be asked.
func TestNobodyWaitsForThoseWhoWouldNotBeAsked(t *testing.T) {
	c := testCharter(t, 7, 1)
	c.Custodians = c.Custodians[:3]
	c = c.With(federation.Numbers{MaxHostileMembers: 1, MinCohort: 3})
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	plan := testPlan(1, 0)
	plan.Schedule.Cohort = federation.Cohort{Size: 3}
	s := newStoryOf(t, c, plan)
	s.gather("ABCDEFG")
	s.update("ABCDEFG")
	s.own(round.TaskPropose)
	s.ready("A", "B", "C")
	s.send("ABC")
	s.own(round.TaskPublish)
	s.own(round.TaskOpen)
	order := s.order()
	missing := "ABCDEFG"
	for _, l := range order[:3] + "ABC" {
		if !strings.ContainsRune(missing, l) {
			continue
		}
		if s.isOwed(round.TaskManifest) {
			t.Errorf("of %s, drawn in the order %s, none is waited for", missing, order)
		}
		s.join(string(l))
		missing = strings.ReplaceAll(missing, string(l), "")
	}
	if missing == "" || !s.isOwed(round.TaskManifest) {
		t.Errorf("%s are waited for, drawn in the order %s", missing, order)
	}
}
