package round_test

import (
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

func TestStoryHappy(t *testing.T) {
	s := newStory(t, 4, 1)
	for range 3 { // statistics, train, evaluate
		s.stand("ABCD")
		s.publishes("ABC")
		s.expect(round.Done, "ABCD")
		s.derive("ABCD")
	}
	s.own(round.TaskFinish)
	if s.state.Model.Number != 2 || s.state.Trained != 1 || s.state.Evaluated != 1 || len(round.Pending(s.state, s.moment())) != 0 {
		t.Errorf("the plan ended with %+v", s.state)
	}
	s.tell("happy")
}

func TestStoryHospitalLate(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	s.own(round.TaskOpen)
	s.join("ABC") // enough, but D is connected
	s.pass(20)
	s.own(round.TaskManifest)
	s.refused("join of D", round.ErrWrongPhase, s.joinEvent("D", 2))
	s.update("ABC")
	s.own(round.TaskPropose)
	s.ready("A", "B", "C")
	s.publishes("ABC")
	s.expect(round.Done, "ABC")
	s.tell("hospital-late")
}

func TestStoryTooFewUntilLate(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	s.own(round.TaskOpen)
	s.join("AB")
	s.pass(100) // nothing is owed but joins, and nothing is abandoned
	s.join("C") // enough at once
	s.own(round.TaskManifest)
	s.expect(round.Collecting, "")
	s.tell("too-few-until-late")
}

func TestStoryVanishesAfterJoin(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	s.gather("ABCD")
	s.update("ABC")
	s.gone = s.ids("D")
	s.own(round.TaskPropose) // no deadline has to pass
	s.ready("A", "B", "C")
	s.publishes("ABC")
	s.expect(round.Done, "ABC")
	s.tell("vanishes-after-join")
}

func TestStoryVanishesAfterUpload(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	s.gather("ABCD")
	s.update("ABCD")
	s.own(round.TaskPropose)
	s.gone = s.ids("D")
	s.ready("A", "B", "C")
	s.publishes("ABC")
	s.expect(round.Done, "ABCD") // its update counts
	s.tell("vanishes-after-upload")
}

func TestStoryVanishesBeforeSending(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	s.stand("ABCD")
	s.gone = s.ids("D")
	s.publishes("ABC")
	s.expect(round.Done, "ABCD")
	s.tell("vanishes-before-sending")
}

func TestStoryCustodiansLost(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	s.gather("ABCD")
	s.update("ABCD")
	s.own(round.TaskPropose)
	s.ready("A", "B")
	s.must("C declines", s.declineEvent("C", federation.RoleCustodian))
	s.must("D declines", s.declineEvent("D", federation.RoleCustodian))
	s.own(round.TaskAbandon)
	s.expect(round.Abandoned, "")
	if len(s.state.Attempts) != 1 { // the statistics round; this one had no S
		t.Errorf("attempts: %+v", s.state.Attempts)
	}
	s.gather("ABCD") // at once
	s.gone = s.ids("CD")
	s.update("AB")
	s.pass(20)
	s.own(round.TaskAbandon)
	s.refused("open too early", round.ErrNotDue, round.HeaderStored{})
	s.pass(1)
	s.own(round.TaskOpen)
	s.expect(round.Gathering, "")
	s.tell("custodians-lost")
}

// TestStoryUnreadableEnvelopes: another candidate leaves out whom more than f custodians could
// not read; a custodian alone with its complaint is not waited for.
func TestStoryUnreadableEnvelopes(t *testing.T) {
	s := newStory(t, 5, 0) // t = 4, f = 1
	s.statistics("ABCDE")
	s.gather("ABCDE")
	s.update("ABCDE")
	s.own(round.TaskPropose)
	first := s.sendEvent("A", false)
	s.ready("A", "B-A", "C-A", "D-AE", "E")
	s.refused("send of A for what does not stand", round.ErrWrongPhase, first)
	s.own(round.TaskPropose) // without A
	s.expect(round.Opening, "BCDE")
	s.refused("send of A for the candidate before", round.ErrStale, first)
	s.ready("A", "B", "C", "D-E", "E")
	s.refused("send of D", round.ErrNotCustodian, s.sendEvent("D", false))
	s.publishes("ABCE")
	s.expect(round.Done, "BCDE")
	s.tell("unreadable-envelopes")
}

// TestStoryBurnCertificate: custodians that were ready decline to send, so that too few share
// sums can come. What frees the question is a certificate, not time, and the next manifest
// carries it.
func TestStoryBurnCertificate(t *testing.T) {
	s := newStory(t, 4, 0) // a certificate wants 3 of 4
	s.statistics("ABCD")
	s.stand("ABCD")
	s.send("A")
	burnt := s.state.Round.Manifest
	s.must("B declines", s.declineEvent("B", federation.RoleCustodian))
	s.must("C declines", s.declineEvent("C", federation.RoleCustodian))
	s.refused("burn of B under another manifest", round.ErrStale, s.burnEvent("B", s.w.digest("manifest")))
	s.must("burn of B", s.burnEvent("B", burnt))
	s.must("burn of B again", s.burnEvent("B", burnt))
	s.must("burn of C", s.burnEvent("C", burnt))
	s.pass(3600) // still one burn short
	s.expect(round.Opening, "ABCD")
	s.must("burn of D", s.burnEvent("D", burnt))
	s.own(round.TaskAbandon)
	s.own(round.TaskOpen)
	s.gone = s.ids("D")
	s.join("ABC") // another S than that of the burned manifest
	task := *s.task(round.TaskManifest)
	without := task
	without.Burnt = nil
	s.refused("manifest without the certificate", round.ErrMismatch, s.event(without, s.state))
	s.own(round.TaskManifest)
	s.update("ABC")
	s.own(round.TaskPropose)
	s.ready("A", "B", "C")
	s.publishes("ABC")
	s.expect(round.Done, "ABC")
	s.tell("burn-certificate")
}

// TestStoryPinned: no group of an opened sum holds; exactly the same hospitals are asked once
// more, and nobody else.
func TestStoryPinned(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	s.stand("ABCD")
	s.send("ABCD")
	failed := s.state.Round.Manifest
	s.must("no group holds", round.OpeningFailed{Round: s.state.Round.Number, Sends: 4, Reason: "group 0: noise out of range"})
	s.expect(round.Abandoned, "")
	s.must("A derives the same", s.derivedEvent("A", true))
	s.refused("late send of C", round.ErrStale, round.SendVerified{Send: federation.Send{V: 1, Manifest: failed, Custodian: s.id("C")}, Blob: s.w.digest("late")})
	s.own(round.TaskOpen)
	s.join("ABC")
	s.pass(60)
	s.expect(round.Gathering, "") // enough for a round, not for this one
	s.join("D")
	s.own(round.TaskManifest)
	s.update("ABC")
	s.pass(20)
	s.own(round.TaskAbandon) // ABC alone would be another S
	s.pass(1)
	s.gather("ABCD")
	s.update("ABCD")
	s.own(round.TaskPropose)
	s.ready("A", "B", "C")
	s.publishes("ABC")
	s.expect(round.Done, "ABCD")
	s.tell("pinned")
}

func TestStoryUpdates(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	s.gather("ABCD")
	s.update("ABC")
	a := s.held[s.id("A")]
	s.must("update of A again", round.UpdateVerified{Submission: a.Submission, Blob: a.blob})
	s.refused("other update of A", round.ErrConflict, s.updateEvent("A"))
	s.pass(20)
	s.own(round.TaskPropose)
	late := s.updateEvent("D")
	s.must("update of D, late", late)
	s.must("update of D, late again", late)
	s.refused("other update of D", round.ErrConflict, s.updateEvent("D"))
	s.must("update of A again", round.UpdateVerified{Submission: a.Submission, Blob: a.blob})
	s.ready("A", "B", "C", "D")
	s.publishes("ABC")
	s.expect(round.Done, "ABC")
	s.must("update of D, after the end", late)
	s.tell("updates")
}

// TestStoryWrongShareSums: with t share sums of which one is wrong nothing is decided, however
// long it takes, until as many are there as settle it.
func TestStoryWrongShareSums(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	s.stand("ABCD")
	s.send("AB")
	s.must("send of C, wrong", s.sendEvent("C", true))
	s.own(round.TaskPublish) // D may still help
	s.expect(round.Publishing, "ABCD")
	first := s.publishTask()
	s.pass(3600)
	if s.publishTask() != first {
		t.Error("time alone makes another task of it")
	}
	s.own(round.TaskPublish)
	s.expect(round.Publishing, "ABCD")
	s.publishes("D")
	s.expect(round.Done, "ABCD")
	s.tell("wrong-share-sums")
}

// TestStoryOutageWhilePublishing: t share sums are there; however long the coordinator was
// away, they are used.
func TestStoryOutageWhilePublishing(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	s.stand("ABCD")
	s.send("ABC")
	s.pass(3600)
	s.must("lead", round.Led{})
	s.own(round.TaskPublish)
	s.expect(round.Done, "ABCD")
	s.tell("outage-while-publishing")
}

// TestStoryRestartWhileGathering: a restarted hospital joins anew, and its old join does
// not come back.
func TestStoryRestartWhileGathering(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	s.own(round.TaskOpen)
	old, fresh := s.joinEvent("A", 2), s.joinEvent("A", 3)
	s.must("join of A", old)
	if list := round.HospitalTasks(s.state, s.id("A")); len(list) != 0 {
		t.Errorf("A joined and owes %v", list)
	}
	if list := round.TasksFor(s.state, s.id("A"), fresh.Incarnation); len(list) != 1 || list[0].Kind != round.TaskJoin {
		t.Errorf("A restarted and owes %v, want a join", list)
	}
	s.must("join of A, restarted", fresh)
	s.refused("join of A, delayed", round.ErrOldJournal, old)
	if j, _ := s.state.Round.Join(s.id("A")); j.Blob != fresh.Blob {
		t.Error("the older join is in force")
	}
	s.tell("restart-while-gathering")
}

// TestStoryDeclines: those who decline while a round gathers end it as soon as it cannot
// collect any more, so that the next one asks them again.
func TestStoryDeclines(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	s.own(round.TaskOpen)
	s.join("AB")
	s.must("C declines", s.declineEvent("C", federation.RoleUpdate))
	s.must("C declines again", s.declineEvent("C", federation.RoleUpdate))
	s.must("D declines", s.declineEvent("D", federation.RoleUpdate))
	s.own(round.TaskAbandon)
	s.own(round.TaskOpen)
	s.join("ABCD")
	s.must("B declines", s.declineEvent("B", federation.RoleCustodian))
	s.must("C declines", s.declineEvent("C", federation.RoleCustodian))
	s.own(round.TaskAbandon)
	s.pass(1)
	s.own(round.TaskOpen)
	s.join("ABCD")
	s.must("C declines", s.declineEvent("C", federation.RoleCustodian))
	s.must("C joins again", s.joinEvent("C", 9)) // and takes it back
	s.own(round.TaskManifest)
	s.refused("A declines what it sent", round.ErrConflict, func() round.Event { s.update("A"); return s.declineEvent("A", federation.RoleUpdate) }())
	s.tell("declines")
}
