package client_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/storage"
)

// names lists what is in a hospital's store under a prefix, while no daemon runs.
func (s *site) names(t *testing.T, prefix string) (names []string) {
	s.read(t, func(b storage.Bucket) {
		objects, err := b.List(t.Context(), prefix)
		must(t, err)
		for _, o := range objects {
			names = append(names, o.Name)
		}
	})
	return names
}

// notes counts the questions of which a hospital keeps integers.
func (s *site) notes(t *testing.T) (n int) {
	for _, name := range s.names(t, "integers/") {
		if strings.HasSuffix(name, "/note") {
			n++
		}
	}
	return n
}

// TestErasedWhenOver: f+1 custodians that signed what followed from a round let a hospital erase
// its integers of it; fewer do not, nor do words that nothing followed or of another round,
// however many.
func TestErasedWhenOver(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	p := l.gather(l.train(1)).opened(l.sites, l.sites[:3])
	says := func(manifest federation.Digest, result string, by ...*site) (list [][]byte) {
		for _, s := range by {
			d := federation.Derived{V: 1, Round: p.header.Round, Manifest: manifest, Candidate: federation.Sum([]byte("candidate")), Custodian: s.id}
			if result != "" {
				d.Result = federation.Sum([]byte(result))
			}
			list = append(list, federation.Encode(sign(l, s, d)))
		}
		return list
	}
	manifest, one, two := p.manifest.Digest(), l.sites[:1], l.sites[1:2]
	for i, a := range []struct {
		name  string
		words [][]byte
		left  int // questions, with that of the round under way
	}{
		{"one word, twice", append(says(manifest, "result", one...), says(manifest, "result", one...)...), 2},
		{"two results", append(says(manifest, "result", one...), says(manifest, "other", two...)...), 3},
		{"nothing followed", says(manifest, "", l.sites...), 4},
		{"another round", says(federation.Sum([]byte("other")), "result", l.sites...), 5},
		{"two words", says(manifest, "result", l.sites[:2]...), 5},
	} {
		q := l.gather(l.train(float64(i) + 2))
		q.derived = append(q.derived, a.words...)
		q.collect()
		l.stopAll()
		for _, s := range l.sites {
			if n := s.notes(t); n != a.left {
				t.Errorf("%s: %s keeps integers of %d questions, want %d", a.name, s.name, n, a.left)
			}
		}
		l.restartAll()
	}
}

// TestFullOfQuestions: where more questions are open than integers are kept of, the oldest about
// an earlier version gives way and is declined from then on; what was computed about the newest
// version stays, and where nothing else is left a new question is declined.
func TestFullOfQuestions(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	s := l.sites[0]
	ask := func(x float64, version uint64) outcome {
		h := l.train(x)
		h.Version = version
		if h.Newest = l.newest; l.plan.Start.Version == 0 {
			h.Newest = version
		}
		p := l.gather(h)
		return p.askUpdate(s, p.manifest)
	}
	declines := func(o outcome, want string) {
		t.Helper()
		if d := decode[federation.Decline](l, o.sends(t, "decline").signed); d.Reason != want {
			t.Errorf("declined: %s", d.Reason)
		}
	}
	const room = 16
	for i := range room {
		ask(float64(100+i), 2).sends(t, "submission")
	}
	for i := range room {
		ask(float64(200+i), 3).sends(t, "submission")
	}
	declines(ask(300, 3), "too many questions that were not answered are kept here")
	older, first := l.plan, federation.Digest{}
	first, _ = l.base(100)
	older.Name, older.Start = "older", federation.Start{Version: 2, Snapshot: first.String()}
	l.restart(older)
	declines(ask(100, 2), "what this hospital encrypted for this question gave way to newer questions")
	s.stop()
	if n := s.notes(t); n != room {
		t.Errorf("it keeps integers of %d questions", n)
	}
}

// TestNothingIsLeft: a federation runs to the end of its plan, and soon no hospital keeps integers
// or envelopes.
func TestNothingIsLeft(t *testing.T) {
	base := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r, d := newRoster(t, base, 4, func(p *federation.Plan) { p.Schedule.Rounds, p.Schedule.EvaluateEvery = 3, 1 })
		f := newFed(t, r, d, wounds{})
		var names []string
		nothing := func(s coordinator.Status) bool {
			names = nil
			for _, b := range d.stores {
				objects, err := b.List(t.Context(), "")
				must(t, err)
				for _, o := range objects {
					names = append(names, o.Name)
				}
			}
			return ended(s) && !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "integers/") || strings.HasPrefix(n, "envelopes/") })
		}
		if !f.run(nothing) || len(names) == 0 {
			t.Errorf("hospitals keep\n%s\n%s", strings.Join(names, "\n"), f.logs)
		}
	})
}
