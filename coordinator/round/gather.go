package round

import (
	"fmt"
	"slices"
	"strings"

	"atrium/coordinator/federation"
)

// gathering is what the joins so far and the earlier attempts allow.
type gathering struct {
	waiting string // why it cannot collect yet; empty when it can
	pin     [][]federation.HospitalID
	because string // of the pin
	cohort  [][]federation.HospitalID
	masked  []federation.Columns // by group
	burnt   []Attempt            // attempts whose burn certificates the manifest carries

	// What explains a cohort that is drawn.
	pinnedTo federation.Digest
	declines []Held // of hospitals that joined, sorted
}

// gathered works out cohort, pin and certificates. Only a manifest for which t custodians
// were ready may have been sent under. One of the same question is dealt with by a burn
// certificate; where no group of it holds exactly its S is asked; what else was answered is
// waited for until every hospital released it.
func gathered(s State) gathering {
	g := gathering{pin: s.line(), because: "evaluations of the same records are of exactly these hospitals"}
	for i := range s.Attempts {
		switch a := &s.Attempts[i]; {
		case !a.sameQuestion(s.Round):
		case s.again(a, s.Round) && !s.released(a.Manifest):
			g.pin, g.because = a.S, "the sum that failed was of exactly these hospitals"
			if s.draw().On() {
				g.pinnedTo = a.drawn()
			}
		case !s.open(a):
			g.burnt = append(g.burnt, *a)
		}
	}
	g.cohort = s.joinedGroups(g.pin)
	if g.pin == nil && s.draw().On() {
		g.cohort, g.declines = s.draw().Pick(g.cohort, s.asked()), s.joinedDeclines()
	}
	if g.pin == nil {
		if g = s.guarded(g); g.waiting != "" {
			return g
		}
	}
	g.masked = s.masks(g.cohort)
	if g.waiting = s.unreleased(); g.waiting != "" {
		return g
	}
	if missing := missingFrom(g.pin, g.cohort); len(missing) > 0 {
		g.waiting = fmt.Sprintf("%s must be there again: %s", s.nameList(missing), g.because)
		return g
	}
	if _, met := s.meets(g.cohort); met {
		g.waiting = "exactly these hospitals cannot be asked: " + guardWords + " of nearly the same"
		return g
	}
	if s.whole() {
		if g.waiting = s.wholeWaits(); g.waiting != "" {
			return g
		}
	}
	if n := len(s.mayBeReady()); n < s.Charter.Threshold {
		g.waiting = fmt.Sprintf("%d of the %d custodians that are needed are there; %s", n, s.Charter.Threshold, s.missingWords(s.absentCustodians()))
		return g
	}
	if !s.enoughGroups(g.cohort) {
		silent, declined := s.absent()
		g.waiting = fmt.Sprintf("%d hospitals joined: %s", len(s.Round.Joined), s.tooFewGroups("reaches"))
		if len(silent) > 0 {
			g.waiting = with(g.waiting, s.nameList(silent)+" did not join")
		}
		g.waiting = with(g.waiting, s.whys(declined))
	}
	return g
}

// sameQuestion is conservative for statistics, whose questions are per feature: any two
// statistics rounds count as overlapping. So do evaluations, but of different months.
func (a *Attempt) sameQuestion(r Round) bool {
	if a.Kind != r.Kind {
		return false
	}
	return a.Kind == federation.Statistics || a.Questions == r.Questions ||
		a.Kind == federation.Evaluate && federation.Overlap([]string{a.Asks}, []string{r.Asks})
}

// joinedGroups is the charter's groups without those who did not join, declined to
// send an update, or are outside the pin.
func (s State) joinedGroups(pin [][]federation.HospitalID) [][]federation.HospitalID {
	groups, joined := make([][]federation.HospitalID, len(s.Charter.Groups)), s.joinedSet()
	for g, group := range s.Charter.Groups {
		groups[g] = slices.DeleteFunc(slices.Clone(group), func(id federation.HospitalID) bool {
			return !joined[id] || (pin != nil && !slices.Contains(pin[g], id)) || s.Round.HasDeclined(id, federation.RoleUpdate)
		})
	}
	return groups
}

func missingFrom(pin, have [][]federation.HospitalID) []federation.HospitalID {
	var missing []federation.HospitalID
	for g := range pin {
		for _, id := range pin[g] {
			if !slices.Contains(have[g], id) {
				missing = append(missing, id)
			}
		}
	}
	return missing
}

// leastGroups is how many groups the round needs: one, or as many as a rule compares.
func (s State) leastGroups() int {
	if s.Rule == nil || s.Round.Kind != federation.Train {
		return 1
	}
	return s.Rule.LeastGroups(len(s.Charter.Groups))
}

func (s State) enoughGroups(groups [][]federation.HospitalID) bool {
	n := 0
	for g, group := range groups {
		if s.rules().MaySum(g, len(group)) {
			n++
		}
	}
	return n >= s.leastGroups()
}

// tooFewGroups says in words that enoughGroups is false.
func (s State) tooFewGroups(reaches string) string {
	if n := s.leastGroups(); n > 1 {
		return fmt.Sprintf("fewer than %d groups, which rule %s needs, %s the minimum cohort %d", n, s.Rule.Rule, strings.TrimSuffix(reaches, "es"), s.Charter.MinCohort)
	}
	if s.whole() {
		return "no group is whole, and the charter sums all of a group or none"
	}
	return fmt.Sprintf("no group %s the minimum cohort %d", reaches, s.Charter.MinCohort)
}

// gatherOver reports whether Gathering need not wait for anyone else: not for those who
// would not be asked.
func (s State) gatherOver(g gathering, w When) bool {
	if w.past(s.Round.Deadline) {
		return true
	}
	joined := s.joinedSet()
	asked := s.wouldBeAsked(g, joined, w)
	return !slices.ContainsFunc(s.Charter.Members, func(m federation.Member) bool {
		if joined[m.ID] || w.gone(m.ID) || s.Round.HasDeclined(m.ID, federation.RoleUpdate) {
			return false
		}
		_, custodian := s.Charter.Point(m.ID)
		return custodian || asked == nil || asked[m.ID]
	})
}

// collecting is the state of the updates.
type collecting struct {
	groups  [][]federation.HospitalID // who submitted; groups below K, also in a column, are empty
	waiting []federation.HospitalID   // who may still submit
	wanted  []federation.HospitalID   // of these, in groups that have too few updates as yet
}

func collected(s State) collecting {
	c := collecting{groups: make([][]federation.HospitalID, len(s.Round.Cohort))}
	sent, _ := s.submitted()
	short := s.short(sent)
	for g, group := range s.Round.Cohort {
		c.groups[g] = []federation.HospitalID{}
		var waiting []federation.HospitalID
		for _, id := range group {
			if _, ok := s.Round.Update(id); ok {
				c.groups[g] = append(c.groups[g], id)
			} else if !s.Round.HasDeclined(id, federation.RoleUpdate) {
				waiting = append(waiting, id)
			}
		}
		c.waiting = append(c.waiting, waiting...)
		if !s.content(len(c.groups[g])) || federation.MaskOf(short, g) != "" {
			c.wanted = append(c.wanted, waiting...)
		}
	}
	s.dropShort(c.groups)
	return c
}

func (s State) dropSmall(groups [][]federation.HospitalID) {
	for g := range groups {
		if !s.rules().MaySum(g, len(groups[g])) {
			groups[g] = []federation.HospitalID{}
		}
	}
}

// enough reports whether these submitters can be opened: enough groups are left, a pinned S
// is exactly reached, and the guard is not met.
func (s State) enough(groups [][]federation.HospitalID) bool {
	if s.Round.Pinned != nil {
		return slices.EqualFunc(groups, s.Round.Pinned, slices.Equal)
	}
	_, met := s.meets(groups)
	return !met && s.enoughGroups(groups)
}

// collectOver reports whether the candidate can be fixed now.
func (s State) collectOver(w When) bool {
	c := collected(s)
	return s.enough(c.groups) && (w.past(s.Round.Deadline) || !anyPresent(c.wanted, w))
}

func anyPresent(waiting []federation.HospitalID, w When) bool {
	return slices.ContainsFunc(waiting, func(id federation.HospitalID) bool { return !w.gone(id) })
}
