package round_test

import (
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// Two of five custodians are gone, and three can close the epoch without them.
func TestStoryCustodiansGone(t *testing.T) {
	s := newStory(t, 5, 0) // t = 4, f = 1
	s.statistics("ABCDE")
	for range 3 {
		s.pass(2) // of the delay after a failure
		s.gather("ABCDE")
		s.update("ABCDE")
		s.own(round.TaskPropose)
		s.ready("A", "B", "C")
		s.pass(20)
		s.own(round.TaskAbandon)
	}
	if want := "(silent: " + string(s.id("D")) + ", " + string(s.id("E")) + "). If they never come back, go on without them: " +
		"atrium coordinator charter propose --remove " + string(s.id("D")) + "," + string(s.id("E")); !strings.HasSuffix(s.state.Round.Reason, want) {
		t.Errorf("abandoned for %q, want %q at its end", s.state.Round.Reason, want)
	}
	s.pass(4)
	s.own(round.TaskOpen)
	s.join("ABC")
	if got := round.Advice(s.state, s.moment()); got != "" {
		t.Errorf("advice before the deadline: %q", got)
	}
	s.pass(20)
	if got := round.Advice(s.state, s.moment()); !strings.Contains(got, "propose --remove "+string(s.id("D"))+","+string(s.id("E"))) {
		t.Errorf("advice after the deadline: %q", got)
	}
	s.join("D")
	if got := round.Advice(s.state, s.moment()); got != "" {
		t.Errorf("advice with four custodians: %q", got)
	}
	s.tell("custodians-gone")
}

// Of four custodians three must close an epoch: without two nothing goes on.
func TestAdviceWhenTooFewAreLeft(t *testing.T) {
	s := newStory(t, 4, 0) // t = 3, f = 1
	s.statistics("ABCD")
	s.own(round.TaskOpen)
	s.join("AB")
	s.pass(20)
	if got := round.Advice(s.state, s.moment()); !strings.Contains(got, "this federation ends here: 3 of 4 custodians would have to close its epoch, 2 are left") {
		t.Errorf("advice %q", got)
	}
}

// No group held of a set with a hospital that is gone.
func TestAdviceWhenAQuestionIsStuck(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	s.stand("ABCD")
	s.send("ABCD")
	s.must("opening fails", round.OpeningFailed{Round: s.state.Round.Number, Sends: 4, Reason: "a submitter garbled its ciphertext"})
	s.own(round.TaskOpen)
	s.join("ABC")
	s.pass(20)
	d := string(s.id("D"))
	if got := round.Advice(s.state, s.moment()); !strings.Contains(got, d+" must be there. If they never come back, go on without them: atrium coordinator charter propose --remove "+d+". "+
		"Under that charter the question is asked again when every hospital releases it") {
		t.Errorf("advice %q", got)
	}
}

// The set that a question is asked of stays, however often it fails, until every hospital
// released what failed.
func TestReasonOfAQuestionThatNeverOpens(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	var failed []federation.Digest
	for i := range 3 {
		s.pass(2)
		s.stand("ABCD")
		failed = append(failed, s.state.Round.Manifest)
		s.send("ABCD")
		s.must("opening fails", round.OpeningFailed{Round: s.state.Round.Number, Sends: 4, Reason: "a submitter garbled its ciphertext"})
		if got, want := strings.Contains(s.state.Round.Reason, "of others when every hospital releases it"), i == 2; got != want {
			t.Errorf("round %d: reason %q", i, s.state.Round.Reason)
		}
	}
	s.pass(70)
	s.own(round.TaskOpen)
	s.join("ABCD")
	advice := round.Advice(s.state, s.moment())
	for _, m := range failed {
		if !strings.Contains(advice, "manifest: "+m.String()) {
			t.Errorf("advice %q", advice)
		}
	}
	s.release("ABC", failed...)
	s.rejoin("ABC") // D did not: exactly S is asked
	if got := s.task(round.TaskManifest); got == nil {
		t.Error("S is there and not asked")
	}
	s.must("D is broken", s.declineEvent("D", federation.RoleUpdate))
	if got := s.task(round.TaskManifest); got != nil {
		t.Error("others than S are asked, of whom one did not release")
	}
}
