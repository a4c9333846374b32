package coordinator_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage/roundlog"
)

// stuckRound writes a train round in which one custodian of four sent for all four
// before it was abandoned: entries as a coordinator commits them, behind messages that
// nobody reads here.
func (p passage) stuckRound() (asked federation.Answered) {
	p.t.Helper()
	questions := []string{"train/" + federation.Sum([]byte("base")).String()}
	header := p.put(federation.Encode(federation.Header{V: 1, Federation: p.before.Federation, Round: 1, Kind: federation.Train, Questions: questions}))
	manifest := p.put(federation.Encode(federation.Manifest{V: 1, Header: header, Groups: p.before.Groups}))
	const now, later = "2026-03-01T08:00:00.000Z", "2026-03-01T09:00:00.000Z"
	var entries [][]byte
	add := func(e round.Entry) {
		e.V, e.Time = 1, now
		if e.Kind != round.Lead {
			e.Round = 1
		}
		entries = append(entries, e.Encode())
	}
	some := federation.Sum([]byte("some message"))
	add(round.Entry{Kind: round.Lead, Epoch: 1})
	add(round.Entry{Kind: round.Open, RoundKind: federation.Train, Questions: federation.Sum(federation.Encode(questions)), Blob: header, Deadline: later})
	for _, kind := range []round.EntryKind{round.Join, round.Update, round.Ready} {
		for _, m := range p.before.Members {
			add(round.Entry{Kind: kind, Hospital: m.ID, Blob: some, Instance: some, Counter: 1})
		}
		switch kind {
		case round.Join:
			add(round.Entry{Kind: round.Collect, Blob: manifest, Deadline: later})
		case round.Update:
			add(round.Entry{Kind: round.Candidate, Blob: some, Deadline: later})
		}
	}
	add(round.Entry{Kind: round.Send, Hospital: p.before.Members[0].ID, Blob: some, Manifest: manifest})
	add(round.Entry{Kind: round.Abandon, Reason: "3 of 4 custodians sent nothing and never will", Deadline: later})
	log, err := roundlog.Open(p.t.Context(), p.bucket, p.old, nil)
	p.must(err)
	_, err = log.Append(p.t.Context(), 1, time.Unix(0, 0), entries)
	p.must(err)
	return federation.Answered{Manifest: manifest, Candidate: some, Questions: questions, Set: federation.SetDigest(p.before.Groups)}
}

// proof shows what a custodian sent under: the readies of t, and its own Send.
func (p passage) proof(a federation.Answered, id federation.HospitalID) *federation.Proof {
	name := p.before.Federation
	sent := envelope.SignMessage(p.keys[id], name, federation.Send{V: 1, Manifest: a.Manifest, Candidate: a.Candidate, Custodian: id})
	proof := &federation.Proof{Send: &sent}
	for _, ready := range slices.Sorted(slices.Values(p.before.Custodians))[:p.before.Threshold] {
		proof.Readies = append(proof.Readies, envelope.SignMessage(p.keys[ready], name, federation.Ready{V: 1, Manifest: a.Manifest, Candidate: a.Candidate,
			Custodian: ready, Asks: federation.AsksDigest(a.Questions, a.Set), Unreadable: []federation.HospitalID{}}))
	}
	return proof
}

// A question that one custodian sent for is released by all but f of its hospitals, from
// the log to the charter that the next round follows.
func TestReleaseOfAStuckQuestion(t *testing.T) {
	p := newPassage(t)
	ids := p.before.Groups[0]
	if _, err := coordinator.Releases(t.Context(), p.bucket, p.before, ids[3:]); !errors.Is(err, federation.ErrRelease) {
		t.Errorf("before anything was answered: %v", err)
	}
	given := p.stuckRound()
	releases, err := coordinator.Releases(t.Context(), p.bucket, p.before, ids[3:])
	p.must(err)
	if len(releases) != 1 || !slices.Equal(releases[0].Questions, given.Questions) || !slices.Equal(releases[0].LeavesOut, ids[3:]) ||
		federation.SetDigest(releases[0].Set) != federation.SetDigest(p.before.Groups) {
		t.Fatalf("releases %+v", releases)
	}
	terms, err := p.before.Next(federation.Change{Remove: ids[3:], Releases: releases, LogKey: p.young.Verifier()})
	p.must(err)
	var consents []federation.Consent
	for i, id := range ids[:3] {
		closing := p.closing(id)
		if i == 0 {
			shown := given
			shown.Proof = p.proof(given, id)
			closing.Answered = append(closing.Answered, shown)
		}
		signed := envelope.SignEpoch(p.keys[id], p.before.Federation, closing)
		consents = append(consents, federation.Consent{V: 1, Terms: terms.Digest(), Signature: envelope.CountersignTerms(p.keys[id], terms, id), Closing: &signed,
			Approvals: []federation.Signed{envelope.SignEpoch(p.keys[id], p.before.Federation,
				federation.Approval{V: 1, Charter: p.before.Digest(), Release: releases[0].Digest(), Hospital: id})}})
	}
	a, err := envelope.Assemble(p.before, terms, consents)
	p.must(err)
	if len(a.Inherited) != 1 || a.Inherited[0].Released != federation.SetDigest([][]federation.HospitalID{ids[:3]}) {
		t.Fatalf("inherited %+v", a.Inherited)
	}
	done, err := coordinator.Install(t.Context(), p.config(p.young, p.before), a)
	p.must(err)
	c, err := coordinator.Open(t.Context(), p.config(p.young, done.Charter))
	p.must(err)
	attempts := c.View().State.Attempts
	if len(attempts) != 1 || !attempts[0].Past || !slices.Equal(attempts[0].S[0], ids[:3]) {
		t.Errorf("the next round is bound by %+v", attempts)
	}
}
