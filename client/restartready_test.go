package client_test

import (
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// TestRestartBetweenReadyAndSend: a custodian that was ready sends after a restart what it
// held, and after another restart the same bytes; it burns nothing that it sent under, and is
// ready for no other candidate, because its key is gone.
func TestRestartBetweenReadyAndSend(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	p := l.gather(l.train(1))
	list := p.ready(l.sites, l.sites...)
	l.restartAll()
	p.askReady(l.sites[0], p.of(l.sites[1:]...)).refuses(t, "this run of the daemon did not join that header")
	if again := decode[federation.Ready](l, p.askReady(l.sites[0], list).sends(t, "ready").signed); again.Candidate != list.Digest() {
		t.Errorf("it says again that it is ready for %s", again.Candidate.Short())
	}
	p.sends(list, l.sites...)
	first := p.sent[l.sites[0].id]
	l.restartAll()
	again := p.askSend(l.sites[0], list).sends(t, "send")
	if string(again.signed) != string(first.signed) || string(again.parts[0]) != string(first.parts[0]) {
		t.Error("it sends other bytes")
	}
	o := l.askBurn(l.sites[0], p.header.Round, list.Manifest)
	if again := o.sends(t, "send"); string(again.signed) != string(first.signed) {
		t.Error("asked to burn it sends other bytes")
	}
}

// TestReadyWithoutASend: a custodian that burned, or closed its epoch, does not say again that
// it is ready.
func TestReadyWithoutASend(t *testing.T) {
	p := newPassage(t)
	round := p.gather(p.train(2))
	list := round.ready(p.sites, p.sites...)
	p.askBurn(p.sites[1], round.header.Round, list.Manifest).sends(t, "burn")
	round.askReady(p.sites[1], list).refuses(t, "this manifest was burned")
	s := p.sites[0]
	p.vote(s, p.terms)
	round.askReady(s, list).refuses(t, "this hospital closed the epoch")
}
