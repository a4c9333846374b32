package client_test

import (
	"strings"
	"testing"

	"atrium/client"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// TestApprovalBeforeSending: a person who approves the next charter while this custodian holds
// what it may still have to send is told to wait; one whose custodian sent is not.
func TestApprovalBeforeSending(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	p := l.gather(l.train(1))
	list := p.ready(l.sites, l.sites...)
	terms, err := l.charter.Next(federation.Change{})
	must(t, err)
	s := l.sites[0]
	const words = "It holds its share sums of round 1 and sent nothing of them."
	told := func() bool {
		t.Helper()
		s.stop()
		ballot, err := client.OpenBallot(s.cfg.State, s.cfg.Charter, s.identity, terms)
		must(t, err)
		defer ballot.Close()
		return strings.Contains(strings.Join(ballot.Words(), "\n"), words)
	}
	if !told() {
		t.Errorf("nobody says: %s", words)
	}
	l.start(s)
	t.Cleanup(func() { s.stop() })
	p.sends(list, s) // what was ready stays so after a restart
	if told() {
		t.Errorf("it sent, and is told: %s", words)
	}
	l.vote(l.sites[1], terms)
	p.askSend(l.sites[1], list).refuses(t, "this hospital closed the epoch")
}
