package client_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"atrium/client"
	"atrium/client/participant"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/storage"
)

// breaks overwrites the integers that a hospital keeps, as a broken disk or program would have.
func (s *site) breaks(t *testing.T) {
	t.Helper()
	s.stop()
	s.read(t, func(b storage.Bucket) {
		objects, err := b.List(t.Context(), "integers/")
		must(t, err)
		for _, o := range objects {
			if strings.HasSuffix(o.Name, "/note") {
				continue
			}
			raw, err := b.Get(t.Context(), o.Name, 0, -1)
			must(t, err)
			binary.LittleEndian.PutUint32(raw[4:], 1<<31) // Σz without records: the gate "moments"
			binary.LittleEndian.PutUint32(raw, 0)
			must(t, b.Delete(t.Context(), o.Name))
			must(t, storage.PutOnce(t.Context(), b, o.Name, raw))
		}
	})
}

// concludes plays a round of all to its end and returns its candidate and what custodians derived.
func (p *play) concludes(custodians ...*site) (list federation.Candidate, result federation.Digest) {
	l := p.l
	l.t.Helper()
	list = p.ready(l.sites, custodians...)
	p.sends(list, custodians...)
	for _, s := range custodians {
		result = decode[federation.Derived](l, p.askDerive(s, list, federation.Derived{}).sends(l.t, "derived").signed).Result
	}
	return list, result
}

// TestOursWasWrong: what a hospital keeps is broken, so the sum fails a gate, and fails again with
// the same integers. When its people say so, and not before, it computes anew, once; the others
// encrypt what they did, and the sum opens. Nothing is left to be called wrong.
func TestOursWasWrong(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	broken, custodians := l.sites[3], l.sites[:3]
	state := broken.cfg.State
	if _, err := client.ReadFailed(state); !errors.Is(err, client.ErrNothingFailed) {
		t.Errorf("before anything was asked: %v", err)
	}
	l.gather(l.statistics()).collect() // given up
	broken.breaks(t)
	l.start(broken)
	first := l.gather(l.statistics())
	if _, result := first.concludes(custodians...); !result.IsZero() {
		t.Fatal("the group holds")
	}
	if _, err := client.ReadFailed(state); !errors.Is(err, client.ErrNothingFailed) {
		t.Errorf("a hospital that derived nothing and heard nothing: %v", err)
	}
	second := l.gather(l.statistics())
	for _, s := range custodians {
		second.derived = append(second.derived, federation.Encode(sign(l, s, federation.Derived{V: 1, Round: first.header.Round,
			Manifest: first.manifest.Digest(), Candidate: federation.Sum([]byte("candidate")), Custodian: s.id})))
	}
	if _, result := second.concludes(custodians...); !result.IsZero() {
		t.Fatal("the group holds without a word")
	}
	for _, s := range l.sites {
		if f, err := client.ReadFailed(s.cfg.State); err != nil || f.Round < first.header.Round {
			t.Errorf("%s: %+v, %v", s.name, f, err)
		}
	}
	failed, err := client.ReadFailed(state)
	must(t, err)
	must(t, client.SayWrong(state, failed, "somebody"))
	broken.stop()
	l.start(broken)
	l.gather(l.statistics()).collect() // given up
	broken.stop()
	once := broken.integers(t)
	l.start(broken)
	fourth := l.gather(l.statistics())
	if _, result := fourth.concludes(custodians...); result.IsZero() {
		t.Fatal("the group fails though it was mended")
	}
	broken.stop()
	if twice := broken.integers(t); !bytes.Equal(once, twice) || len(once) == 0 {
		t.Error("it computed anew more than once")
	}
	l.start(broken)
	again := l.gather(l.statistics()) // of an answered question
	for _, s := range custodians {
		if _, err := client.ReadFailed(s.cfg.State); !errors.Is(err, client.ErrNothingFailed) {
			t.Errorf("%s, when it is answered: %v", s.name, err)
		}
		again.askUpdate(s, again.manifest).refuses(t, participant.ErrAnswered.Error())
	}
}

// integers are what a hospital keeps of its one question, while no daemon runs.
func (s *site) integers(t *testing.T) (all []byte) {
	s.read(t, func(b storage.Bucket) {
		objects, err := b.List(t.Context(), "integers/")
		must(t, err)
		for _, o := range objects {
			raw, err := b.Get(t.Context(), o.Name, 0, -1)
			must(t, err)
			all = append(all, raw...)
		}
	})
	return all
}
