package client_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"atrium/client"
	"atrium/client/participant"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
)

// evaluate is the honest header of an evaluate round of base x.
func (l *liar) evaluate(x float64) federation.Header {
	h := l.open(federation.Evaluate)
	h.Version, h.Newest = l.newest, l.newest
	h.Base, h.Parameters = l.base(x)
	h.Questions = l.plan.Questions(h.Kind, h.Parameters)
	return h
}

// TestNearlyTheSameVersion: after a sum over all, a coordinator that lies keeps the base nearly
// still and asks for the sum without one hospital; and for an evaluation without one after an
// evaluation of all, on whatever version and under whatever plan. Custodians are ready for the
// same hospitals only. The base that they judge by is that which f+1 of them signed and whose
// bytes they read.
func TestNearlyTheSameVersion(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	if l.charter.Guard != federation.DefaultGuard {
		t.Fatalf("guard %v", l.charter.Guard)
	}
	all, less := l.sites, l.sites[1:]
	l.gather(l.train(60)).opened(all, all[:3])
	l.run(t, "training without one", func(t *testing.T) {
		p := l.gather(l.train(60.01)).collect() // 0.00017 of its norm
		for _, s := range all[:3] {
			p.askReady(s, p.of(less...)).refuses(t, federation.ErrGuard.Error())
		}
		p.askReady(all[0], p.of(all...)).sends(t, "ready")
	})
	l.restart(l.plan)
	l.run(t, "restarted", func(t *testing.T) {
		p := l.gather(l.train(60.02)).collect()
		p.askReady(all[1], p.of(less...)).refuses(t, federation.ErrGuard.Error())
	})
	l.run(t, "far away", func(t *testing.T) {
		p := l.gather(l.train(61)).collect()
		p.askReady(all[0], p.of(less...)).sends(t, "ready")
	})
	l.gather(l.evaluate(70)).opened(all, all[:3])
	l.run(t, "evaluations without one", func(t *testing.T) {
		p := l.gather(l.evaluate(80)).collect()
		for _, s := range all[:3] {
			p.askReady(s, p.of(less...)).refuses(t, participant.ErrLine.Error())
		}
		p.sends(p.ready(all, all[:3]...), all[:3]...)
	})
	another := l.plan
	another.Name, another.Schedule.Rounds = "another", 2
	l.restart(another)
	l.run(t, "evaluations without one, under another plan", func(t *testing.T) {
		p := l.gather(l.evaluate(90)).collect()
		p.askReady(all[0], p.of(less...)).refuses(t, participant.ErrLine.Error())
		p.askReady(all[0], p.of(all...)).sends(t, "ready")
	})
}

// Recall sends what a test has the log hold of the caller.
func (l *liar) Recall(_ *atriumpb.RecallRequest, stream grpc.ServerStreamingServer[atriumpb.Message]) error {
	s, err := l.caller(stream.Context())
	if err != nil {
		return err
	}
	for _, m := range l.recalls(s) {
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	return nil
}

// recalls are a site's sends and its latest Join in these plays.
func recalls(plays ...*play) func(*site) []*atriumpb.Message {
	return func(s *site) (list []*atriumpb.Message) {
		for _, p := range plays {
			if m, ok := p.sent[s.id]; ok {
				list = append(list, &atriumpb.Message{Kind: "send", Signed: m.signed})
			}
		}
		return append(list, &atriumpb.Message{Kind: "join", Signed: federation.Encode(plays[len(plays)-1].joins[s.id])})
	}
}

// TestRecoveredUnderTheGuard: custodians are restored from backups of before they sent, and
// recover. They are ready for the same hospitals on nearly the same version and along the line
// of evaluations, and for no others. A coordinator that does not show the base of a Send leaves
// them frozen.
func TestRecoveredUnderTheGuard(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	all, less := l.sites, l.sites[1:]
	backups := map[*site]string{}
	l.stopAll()
	for _, s := range all {
		backups[s] = filepath.Join(t.TempDir(), "backup")
		must(t, os.CopyFS(backups[s], os.DirFS(s.cfg.State)))
	}
	l.restartAll()
	trained := l.gather(l.train(60)).opened(all, all[:3])
	evaluated := l.gather(l.evaluate(70)).opened(all, all[:3])
	l.recalls = recalls(trained, evaluated)
	for _, p := range []*play{trained, evaluated} {
		l.put(federation.Encode(p.header))
		l.put(federation.Encode(p.of(all...)))
	}
	l.stopAll()
	for _, s := range all {
		must(t, os.RemoveAll(s.cfg.State))
		must(t, os.Rename(backups[s], s.cfg.State))
	}
	withheld := l.blobs[trained.header.Base]
	delete(l.blobs, trained.header.Base)
	if _, err := client.Recover(t.Context(), all[0].cfg); err == nil || !strings.Contains(err.Error(), "base of round") {
		t.Errorf("recovered without the base: %v", err)
	}
	l.put(withheld)
	for _, s := range all[:3] {
		r, err := client.Recover(t.Context(), s.cfg)
		if must(t, err); r.Sends != 2 {
			t.Fatalf("recovered %+v", r)
		}
	}
	l.restartAll()
	for _, a := range []struct {
		header func(float64) federation.Header
		base   float64
		want   error
	}{{l.train, 60.01, federation.ErrGuard}, {l.evaluate, 80, participant.ErrLine}} {
		p := l.gather(a.header(a.base)).collect()
		for _, s := range all[:3] {
			p.askReady(s, p.of(less...)).refuses(t, a.want.Error())
		}
		p.sends(p.ready(all, all[:3]...), all[:3]...)
	}
}
