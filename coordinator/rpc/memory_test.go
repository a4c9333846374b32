package rpc_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"atrium/client"
	"atrium/coordinator"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
)

// TestBurnCertificate: four custodians, t = 3, f = 1. Of a candidate that stood one sent and
// three restarted: the round waits until m−t+f+1 = 3 of them burned it, and then the next one
// asks the same question of others.
func TestBurnCertificate(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 4, 1, func(p *federation.Plan) { p.Schedule.Rounds, p.Schedule.EvaluateEvery = 1, 0 })
	c, stop := w.coordinator()
	defer stop()
	var p [4]*puppet
	for i := range p {
		p[i] = w.puppet(w.names[i])
		p[i].script = func(work *atriumpb.Work) act {
			switch number, kind := work.GetRound(), work.GetKind(); {
			case number == 2 && kind == "send" && i > 0: // one sends, three restarted
				return func(ctx context.Context, work *atriumpb.Work) error {
					return p[i].decline(ctx, work, federation.RoleCustodian, "the daemon restarted since it joined")
				}
			case kind == "burn" && i == 3:
				return func(ctx context.Context, work *atriumpb.Work) error {
					p[i].badBurns(ctx, work, p[0])
					return p[i].burn(ctx, work)
				}
			case number == 3 && kind == "join" && i == 3:
				return func(ctx context.Context, work *atriumpb.Work) error {
					return p[i].decline(ctx, work, federation.RoleUpdate, "policy rule min_records")
				}
			}
			return nil
		}
		defer p[i].start()()
	}
	s := w.until(c, "the plan's end", finished)
	if s.Round != 3 {
		t.Errorf("%d rounds: want 3", s.Round)
	}
	w.says(c, 2, "3 of 4 custodians sent nothing and never will", "burned")
	w.says(c, 3, "burnt         ", "with 3 hospitals")
	all := strings.Join(p[3].told(), "\n")
	for _, words := range []string{"burn of another manifest: FailedPrecondition", "burn in another's name: PermissionDenied", "burn of another federation: Unauthenticated"} {
		if !strings.Contains(all, words) {
			t.Errorf("the coordinator did not say %q: %s", words, all)
		}
	}
	t.Logf("the coordinator said:\n%s", all)
	w.audited(c)
}

// badBurns sends burns that count for nothing.
func (p *puppet) badBurns(ctx context.Context, w *atriumpb.Work, other *puppet) {
	strange := federation.Burn{V: 1, Manifest: federation.Sum([]byte("M")), Custodian: p.id}
	p.refused("burn of another manifest", p.send(ctx, "burn", signed(p, strange)))
	stolen := signed(other, federation.Burn{V: 1, Manifest: federation.Digest(w.GetManifest()), Custodian: other.id})
	p.refused("burn in another's name", p.send(ctx, "burn", stolen))
	elsewhere := federation.Encode(signElsewhere(p, federation.Burn{V: 1, Manifest: federation.Digest(w.GetManifest()), Custodian: p.id}))
	p.refused("burn of another federation", p.send(ctx, "burn", elsewhere))
}

// TestRestoredHospitalFreezes: a custodian comes back with the state directory of two
// rounds ago. The coordinator refuses its Join and shows it its own later one; it stops
// for good, and the others go on without it.
func TestRestoredHospitalFreezes(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 4, 1, func(p *federation.Plan) { p.Schedule.Rounds, p.Schedule.EvaluateEvery = 200, 0 })
	c, stop := w.coordinator()
	defer stop()
	for _, name := range w.names[:3] {
		defer w.hospital(name)()
	}
	name := w.names[3]
	halt := w.hospital(name)
	w.until(c, "a round", trained(1))
	halt()
	state := filepath.Join(w.dir, "hospitals", name, "state")
	backup := filepath.Join(t.TempDir(), "backup")
	w.must(os.CopyFS(backup, os.DirFS(state)))
	halt = w.hospital(name)
	_, joined := w.charter.Member(w.id(name))
	if !joined {
		t.Fatal("no such member")
	}
	before, _ := c.View().State.LatestJoin(w.id(name))
	w.until(c, "two more joins", func(coordinator.Status) bool {
		now, _ := c.View().State.LatestJoin(w.id(name))
		return now.Counter >= before.Counter+3
	})
	halt()
	w.must(os.RemoveAll(state))
	w.must(os.CopyFS(state, os.DirFS(backup)))
	d, err := w.open(name)
	w.must(err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err = d.Run(ctx)
	if !errors.Is(err, client.ErrFrozen) || !strings.Contains(err.Error(), "was signed by this hospital, the journal is at join") {
		t.Errorf("a restored daemon ends with %v, want %v", err, client.ErrFrozen)
	}
	t.Logf("the daemon says: %v", err)
	w.must(d.Close())
	if d, err := w.open(name); !errors.Is(err, client.ErrFrozen) {
		t.Errorf("a frozen daemon starts again: %v", err)
		if err == nil {
			d.Close()
		}
	}
	trainedNow := c.Status().Trained
	w.until(c, "a round without it", trained(trainedNow+1))
}

// id is the pseudonym of a hospital.
func (w *world) id(name string) federation.HospitalID {
	for _, h := range w.result.Hospitals {
		if h.Name == name {
			return h.ID
		}
	}
	w.t.Fatalf("no hospital %s", name)
	return ""
}
