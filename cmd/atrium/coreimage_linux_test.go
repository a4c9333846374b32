package main

import (
	"bytes"
	"crypto/ecdh"
	"crypto/sha3"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
)

// curveSize is the size of an X25519 key, private or public; a public one-round key ends
// with it.
const curveSize = 32

// roundKeys are the X25519 halves of the one-round keys that custodians announced, each with
// whose it is.
type roundKeys map[[curveSize]byte]federation.HospitalID

// joined adds the key of a Join that is in the log.
func (k roundKeys) joined(t *testing.T, log *follower, e round.Entry) {
	t.Helper()
	raw, err := storage.GetBlob(t.Context(), log.bucket, e.Blob, federation.MaxMessageBytes)
	if err != nil {
		t.Fatal(err)
	}
	join, _, err := envelope.DecodeMessage[federation.Join](log.charter, raw)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(join.Key); n > curveSize {
		k[[curveSize]byte(join.Key[n-curveSize:])] = e.Hospital
	}
}

// found lists whose key a part of memory holds: the private half itself, or the seed from
// which both halves of MLKEM768X25519 are expanded (draft-irtf-cfrg-concrete-hybrid-kems).
func (k roundKeys) found(memory []byte, seen map[federation.HospitalID]int) {
	for ; len(memory) >= curveSize; memory = memory[8:] { // allocations begin at words
		if !random(memory[:curveSize]) {
			continue
		}
		expanded := sha3.SumSHAKE256(memory[:curveSize], 3*curveSize)
		for _, private := range [][]byte{memory[:curveSize], expanded[2*curveSize:]} {
			key, err := ecdh.X25519().NewPrivateKey(private)
			if err != nil {
				continue
			}
			if whose, ok := k[[curveSize]byte(key.PublicKey().Bytes())]; ok {
				seen[whose]++
			}
		}
	}
}

// random reports whether bytes may be a key: of 32 random ones fewer than 22 are distinct
// once in a million times.
func random(b []byte) bool {
	var have [256]bool
	distinct := 0
	for _, v := range b {
		if !have[v] {
			have[v] = true
			distinct++
		}
	}
	return distinct >= 22
}

// image stops a process, looks at what a core image of it would hold that it has written,
// and lets it go on.
func (k roundKeys) image(t *testing.T, p *process) map[federation.HospitalID]int {
	t.Helper()
	pid := p.cmd.Process.Pid
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer p.cmd.Process.Signal(syscall.SIGCONT)
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Skipf("NOT TESTED: the memory of a daemon is read by root: %v", err)
	}
	defer memory.Close()
	seen, read := map[federation.HospitalID]int{}, 0
	window := make([]byte, 1<<16)
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		if !strings.Contains(line, " rw") {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil {
			t.Fatal(err)
		}
		for at := from; at < to; at += int64(len(window)) - curveSize + 8 {
			n, err := memory.ReadAt(window[:min(int64(len(window)), to-at)], at)
			if err != nil {
				continue // never written
			}
			if read += n; bytes.Count(window[:n], []byte{0}) < n {
				k.found(window[:n], seen)
			}
		}
	}
	t.Logf("process %d: %d bytes of memory were read", pid, read)
	if read < 1<<20 {
		t.Fatalf("%d bytes of memory were read", read)
	}
	return seen
}

// TestCoreImage looks into the memory of real daemons, as they are released, for the keys
// under which shares are sealed to them. While a round gathers each has its own; a second
// after the last round, in which every share was opened and sent, nobody has any.
func TestCoreImage(t *testing.T) {
	if os.Getenv("SLOW_TESTS") == "" {
		t.Skip("it looks for keys for a minute: make slow")
	}
	plan := plans.Cardiology()
	plan.Schedule.Rounds, plan.Schedule.EvaluateEvery = 2, 0
	s := newSite(t, plan)
	program := filepath.Join(t.TempDir(), "atrium")
	build := exec.Command("go", "build", "-trimpath", "-o", program, ".")
	build.Env = append(os.Environ(), "GOEXPERIMENT=runtimesecret", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	keys, log := roundKeys{}, s.follow()
	id := func(name string) federation.HospitalID {
		i := slices.IndexFunc(log.charter.Members, func(m federation.Member) bool { return m.Name == name })
		return log.charter.Members[i].ID
	}
	log.each = func(e round.Entry) error {
		if e.Kind == round.Join {
			keys.joined(t, log, e)
		}
		return nil
	}
	lead := started(t, "coordinator", "serve", s.coordinator())
	daemons := map[federation.HospitalID]*process{}
	for _, name := range s.names[:2] {
		daemons[id(name)] = startedAs(t, program, "hospital", "run", s.hospital(name))
	}
	log.await(t, "two of three", func(s round.State) bool { return len(s.Round.Joined) == 2 })
	for id, p := range daemons {
		if seen := keys.image(t, p); seen[id] == 0 || len(seen) != 1 {
			t.Errorf("while its round gathers %s has the keys of %v", id, seen)
		}
	}
	last := s.names[2]
	daemons[id(last)] = startedAs(t, program, "hospital", "run", s.hospital(last))
	log.await(t, "the end of the plan", func(s round.State) bool { return s.Finished != "" && len(s.Outcome.Owing) == 0 })
	time.Sleep(time.Second)
	for id, p := range daemons {
		if seen := keys.image(t, p); len(seen) > 0 {
			t.Errorf("a second after its last round %s has the keys of %v, of %d", id, seen, len(keys))
		}
		s.stop(p)
	}
	s.stop(lead)
}
