package main

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/setup"
)

// until looks at the status of the store until it is as wanted.
func (s site) until(what string, holds func(coordinator.Inspection) bool) coordinator.Inspection {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		i := s.inspect()
		if holds(i) {
			return i
		}
		if time.Now().After(end) {
			s.t.Fatalf("not within a minute: %s: %+v", what, i)
		}
	}
}

func (s site) signal(p *process, signal os.Signal) {
	s.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// stop ends processes in order.
func (s site) stop(list ...*process) {
	s.t.Helper()
	for _, p := range list {
		if got := p.end(s.t, syscall.SIGTERM); got != 0 {
			s.t.Errorf("%v ends with status %d", p.cmd.Args, got)
		}
	}
}

// serve starts the coordinator and the daemons of some hospitals.
func (s site) serve(names ...string) (lead *process, daemons []*process) {
	lead = started(s.t, "coordinator", "serve", s.coordinator())
	for _, name := range names {
		daemons = append(daemons, started(s.t, "hospital", "run", s.hospital(name)))
	}
	return lead, daemons
}

func (s site) terms(epoch string) string {
	return filepath.Join(s.coordinator(), "charter-"+epoch+".terms.json")
}

// approve has hospitals approve the terms of an epoch and returns their consents.
func (s site) approve(epoch string, names ...string) (files []string) {
	s.t.Helper()
	for _, name := range names {
		file := filepath.Join(s.dir, "consent-"+name+"-"+epoch+".json")
		out, _ := ran(s.t, 0, "hospital", "charter", "approve", s.terms(epoch), s.hospital(name), "--yes", "--out", file)
		if closes := strings.Contains(out, "a custodian, closes epoch"); closes != !(name == "f" && epoch == "3") || !strings.Contains(out, "wrote "+file) {
			s.t.Errorf("approval of %s:\n%s", name, out)
		}
		files = append(files, file)
	}
	return files
}

func (s site) install(status int, consents ...string) (stdout, stderr string) {
	s.t.Helper()
	return ran(s.t, status, append([]string{"coordinator", "charter", "install", "--config", s.coordinator()}, consents...)...)
}

func (s site) audit() {
	s.t.Helper()
	s.audits()
	ran(s.t, 0, append([]string{"audit", "show", "--state", filepath.Join(s.dir, "fed")}, s.anchors()...)...)
}

// next makes the charter of another epoch the one in force, with everyone's consent.
func (s site) next(epoch string, propose ...string) {
	s.t.Helper()
	ran(s.t, 0, append([]string{"coordinator", "charter", "propose", s.coordinator()}, propose...)...)
	out, _ := s.install(0, s.approve(epoch, s.names...)...)
	if !strings.Contains(out, "installed: charter epoch "+epoch) {
		s.t.Errorf("install:\n%s", out)
	}
}

func epochPlan() federation.Plan {
	plan := plans.Cardiology()
	plan.Schedule = federation.Schedule{Rounds: 3, GatherSeconds: 5, UpdateSeconds: 20, OpenSeconds: 2, GraceSeconds: 1}
	return plan
}

// Two of five custodians are killed for good: rounds end with their names and what to do,
// and the three others go on under another charter. Later the log's key is replaced, and
// then lost. The audit passes over all of it.
func TestEpochs(t *testing.T) {
	t.Parallel()
	plan := epochPlan()
	s := newSiteWith(t, plan, []string{"a", "b", "c", "d", "e"}, "--min-cohort", "3", "--cohort", "k")
	lead, daemons := s.serve(s.names...)
	lead.await(t, `"round done"`)
	lead.await(t, `"round opened"`)
	s.loseTwo(lead, daemons)
	if _, errs := ran(t, 1, "hospital", "charter", "approve", s.propose(), s.hospital("a"), "--yes"); !strings.Contains(errs, "end the daemon first") {
		t.Errorf("approval beside a running daemon: %q", errs)
	}
	s.stop(append(daemons[:3], lead)...)
	s.names = s.names[:3]
	before := s.inspect()
	s.passTo2()

	lead, daemons = s.serve(s.names...)
	s.removed("d", "2")
	for _, d := range daemons {
		d.await(t, `"charter epoch began" epoch=2`)
		d.await(t, "version adopted")
	}
	s.stop(append(daemons, lead)...)
	after := s.inspect()
	if after.Epoch != 2 || after.Version != 1+uint64(plan.Schedule.Rounds) || after.Version <= before.Version || after.Finished == "" || len(after.Hospitals) != 3 {
		t.Errorf("in epoch 2: %+v", after)
	}
	s.audit()

	ran(t, 0, "coordinator", "charter", "propose", s.coordinator(), "--new-log-key", "--add", "f")
	s.names = append(s.names, "f")
	for _, kind := range []string{"train", "test"} { // records of its own: in other order they are another source
		lines := strings.Split(strings.TrimSpace(string(mustRead(t, filepath.Join(s.dir, "e_"+kind+".csv")))), "\n")
		slices.Reverse(lines[1:])
		if err := os.WriteFile(filepath.Join(s.hospital("f"), kind+".csv"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.install(0, s.approve("3", s.names...)...)
	s.compared("f", s.names[:3]...)
	s.trainAgain(plan, "third")
	if err := os.Remove(filepath.Join(s.coordinator(), "log.key")); err != nil {
		t.Fatal(err)
	}
	if _, errs := ran(t, 1, "coordinator", "serve", s.coordinator()); !strings.Contains(errs, "if it is lost for good, the next charter names another: atrium coordinator charter propose --new-log-key") {
		t.Errorf("without the log key: %q", errs)
	}
	s.next("4", "--new-log-key")
	third := plan
	third.Name, third.Schedule.Rounds = "third", 1
	s.trainAgain(third, "fourth")
	if last := s.inspect(); last.Epoch != 4 || last.Version != after.Version+2 {
		t.Errorf("in epoch 4: %+v", last)
	}
	s.audit()
}

// compared has the people of hospitals compare a new one's fingerprint: until then their
// policies do not count it as a peer.
func (s site) compared(name string, by ...string) {
	s.t.Helper()
	key, err := setup.LoadIdentity(filepath.Join(s.hospital(name), "identity.key"))
	if err != nil {
		s.t.Fatal(err)
	}
	fingerprint := federation.Member{IdentityKey: key.Public().(ed25519.PublicKey)}.Fingerprint()
	for _, other := range by {
		file := filepath.Join(s.hospital(other), "policy.yaml")
		policy := strings.Replace(string(mustRead(s.t, file)), "\npeers:\n", fmt.Sprintf("\npeers:\n  - %q\n", fingerprint.String()), 1)
		if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
}

// loseTwo kills d and e once they have joined, and waits for what the coordinator says.
func (s site) loseTwo(lead *process, daemons []*process) {
	s.t.Helper()
	a, d, e := daemons[0], daemons[3], daemons[4]
	s.signal(a, syscall.SIGSTOP) // the round waits for it
	s.until("d and e join", func(i coordinator.Inspection) bool {
		joined := 0
		for _, h := range i.Hospitals {
			if h.Joined && (h.Name == "d" || h.Name == "e") {
				joined++
			}
		}
		return joined == 2
	})
	s.signal(d, syscall.SIGKILL)
	s.signal(e, syscall.SIGKILL)
	s.signal(a, syscall.SIGCONT)
	lead.await(s.t, "3 of 4 custodians are ready before the deadline (not connected: ")
	lead.await(s.t, `advice="If they never come back, go on without them: atrium coordinator charter propose --remove `)
	out, _ := ran(s.t, 0, "coordinator", "status", s.coordinator())
	for _, want := range []string{"what to do", "go on without them: atrium coordinator charter propose --remove ", "3 of the 4 custodians that are needed are there; ", "abandoned round "} {
		if !strings.Contains(out, want) {
			s.t.Errorf("status without %q:\n%s", want, out)
		}
	}
}

// propose writes the terms of epoch 2.
func (s site) propose() string {
	s.t.Helper()
	out, _ := ran(s.t, 0, "coordinator", "charter", "propose", s.coordinator(), "--remove", "d,e")
	for _, want := range []string{"removes  d (h-", "removes  e (h-", "must answer 3 of 3 custodians", "log key stays", "3 custodians of epoch 1"} {
		if !strings.Contains(out, want) {
			s.t.Errorf("propose without %q:\n%s", want, out)
		}
	}
	return s.terms("2")
}

// removed starts the daemon of a hospital that an epoch removed, twice: it is told so and ends,
// and then knows it without asking.
func (s site) removed(name, epoch string) {
	s.t.Helper()
	words := "charter epoch " + epoch + " ("
	for range 2 {
		if _, errs := ran(s.t, 0, "hospital", "run", s.hospital(name)); !strings.Contains(errs, words) || !strings.Contains(errs, "does not name this hospital") {
			s.t.Errorf("the daemon of %s, which was removed:\n%s", name, errs)
		}
	}
	out, _ := ran(s.t, 0, "hospital", "status", s.hospital(name))
	if !strings.Contains(out, "removed ") || !strings.Contains(out, words) {
		s.t.Errorf("status of %s:\n%s", name, out)
	}
}

// passTo2 installs epoch 2, after attempts that must be refused.
func (s site) passTo2() {
	s.t.Helper()
	if _, errs := ran(s.t, 1, "hospital", "charter", "approve", s.terms("2"), s.hospital("a")); !strings.Contains(errs, "not approved: nothing was signed") {
		s.t.Errorf("nobody says yes: %q", errs)
	}
	consents := s.approve("2", s.names...)
	if _, errs := s.install(1, consents[:2]...); !strings.Contains(errs, "consent refused: that of c h-") {
		s.t.Errorf("install with two consents: %q", errs)
	}
	out, _ := s.install(0, consents...)
	if !strings.Contains(out, "installed: charter epoch 2") {
		s.t.Errorf("install:\n%s", out)
	}
	if out, _ := s.install(0, "--terms", s.terms("2")); !strings.Contains(out, "epoch 2 is installed already") {
		s.t.Errorf("install again:\n%s", out)
	}
	for _, file := range []string{"charter.json.epoch1", "countersignatures.json.epoch1"} {
		if _, err := os.Stat(filepath.Join(s.coordinator(), file)); err != nil {
			s.t.Error(err)
		}
	}
	if _, errs := ran(s.t, 1, "coordinator", "serve", s.coordinator(), "--charter", filepath.Join(s.coordinator(), "charter.json.epoch1"),
		"--countersignatures", filepath.Join(s.coordinator(), "countersignatures.json.epoch1")); !strings.Contains(errs, "the log is at epoch 2") {
		s.t.Errorf("serve with the old charter: %q", errs)
	}
}

// trainAgain trains one round more, under another plan.
func (s site) trainAgain(before federation.Plan, name string) {
	s.t.Helper()
	plan := before
	plan.Name, plan.Schedule.Rounds = name, 1
	s.give(before, plan)
	lead, daemons := s.serve(s.names...)
	for _, d := range daemons {
		d.await(s.t, "version adopted")
	}
	s.stop(append(slices.Clone(daemons), lead)...)
}
