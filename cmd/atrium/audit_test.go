package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atrium/client/audit"
	"atrium/cmd/atrium/plans"
	"atrium/storage"
)

// handOver has a hospital write its checkpoint for the auditor.
func (s site) handOver(name, file string) string {
	s.t.Helper()
	file = filepath.Join(s.dir, file)
	out, _ := ran(s.t, 0, "hospital", "checkpoint", s.hospital(name), "--out", file)
	contains(s.t, out, "wrote "+file+": ", " entries, cosigned 20")
	return file
}

// charter is the digest that a hospital's status shows, for the auditor.
func (s site) charter(name string) string {
	s.t.Helper()
	out, _ := ran(s.t, 0, "hospital", "status", s.hospital(name), "--json")
	var status hospitalStatus
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		s.t.Fatal(err)
	}
	if status.Checkpoint == nil || status.Checkpoint.Size == 0 {
		s.t.Errorf("hospital status shows no checkpoint: %s", out)
	}
	if i := s.inspect(); i.Charter.String() != status.Daemon.Charter {
		s.t.Errorf("the coordinator's charter is %s, the hospital's %s", i.Charter, status.Daemon.Charter)
	}
	return status.Daemon.Charter
}

// cut takes the end of the log away: batches that an older copy of the storage does not
// have, and the checkpoint and tiles that came with them. All else stays.
func (s site) cut(old string) {
	s.t.Helper()
	state := filepath.Join(s.coordinator(), "state")
	for _, name := range []string{storage.LogFolder, storage.TileFolder, storage.Checkpoint} {
		name = strings.TrimSuffix(name, "/")
		err := os.RemoveAll(filepath.Join(state, name))
		if err == nil {
			err = os.Rename(filepath.Join(old, name), filepath.Join(state, name))
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestAuditOfACutLog: the operator of a real federation cuts its log and puts an old
// checkpoint back. Hospitals handed over theirs before and after.
func TestAuditOfACutLog(t *testing.T) {
	t.Parallel()
	plan := plans.Cardiology()
	plan.Schedule.Rounds, plan.Schedule.EvaluateEvery = 1, 0
	s := newSite(t, plan)
	s.train()
	before, old := s.handOver("a", "a-before.checkpoint"), filepath.Join(s.dir, "old")
	if err := os.CopyFS(old, os.DirFS(filepath.Join(s.coordinator(), "state"))); err != nil {
		t.Fatal(err)
	}
	second := plan
	second.Name, second.Schedule.Rounds = "second", 3
	s.give(plan, second)
	s.train()
	a, b := s.handOver("a", "a.checkpoint"), s.handOver("b", "b.checkpoint")
	digest, state := s.charter("c"), filepath.Join(s.dir, "fed")
	printed, _ := ran(t, 0, "hospital", "checkpoint", s.hospital("b"))
	file, err := os.ReadFile(b)
	if err != nil || printed != string(file) {
		t.Errorf("printed %q, written %q: %v", printed, file, err)
	}
	moved := filepath.Join(s.dir, "mailed.txt")
	if err := os.WriteFile(moved, append([]byte("\xef\xbb\xbf"), bytes.ReplaceAll(append(file, "\n\n"...), []byte("\n"), []byte("\r\n"))...), 0o600); err != nil {
		t.Fatal(err)
	}

	for _, what := range []string{"verify", "replay"} {
		out, _ := ran(t, 0, "audit", what, "--state", state, "--charter-digest", digest, "--checkpoint", before, a, moved)
		contains(t, out, "\nOK: ", "; anchored by the charter and, up to entry ", " by checkpoints of 2 hospitals; the last cosigned entry, ", "\nkept        "+moved+": ")
	}
	s.cut(old)
	for _, what := range []string{"verify", "replay"} {
		audits := func(status int, more ...string) string {
			t.Helper()
			out, errs := ran(t, status, append([]string{"audit", what, "--state", state}, more...)...)
			if strings.Contains(out, "OK: ") != (status == 0) {
				t.Errorf("audit %s %v:\n%s", what, more, out)
			}
			return out + errs
		}
		contains(t, audits(3), "\nconsistent with itself, not anchored: ", "atrium: not anchored: ")
		contains(t, audits(3, "--charter-digest", digest), "so the end may be cut off, and replaced after entry ")
		contains(t, audits(3, "--checkpoint", before), "so federation, hospitals and keys may be made up")
		contains(t, audits(0, "--charter-digest", digest, "--checkpoint", before), "; what came after may be cut off\n")
		out := audits(1, "--charter-digest", digest, "--checkpoint", before, "--checkpoint", a, "--checkpoint", moved)
		contains(t, out, "atrium: "+a+": checkpoint cosigned by a at 20", "atrium: "+moved+": checkpoint cosigned by b at 20", ": the log was cut: checkpoint is beyond the log: size ")
		if strings.Contains(out, before) {
			t.Errorf("the old checkpoint is blamed:\n%s", out)
		}
		out, _ = ran(t, 3, "audit", what, "--state", state, "--charter-digest", digest, "--json")
		var l audit.Log
		if err := json.Unmarshal([]byte(out), &l); err != nil || l.Anchored || l.Anchor.Charter.String() != digest || l.Last == nil {
			t.Errorf("audit %s --json: %v\n%s", what, err, out)
		}
	}
}
