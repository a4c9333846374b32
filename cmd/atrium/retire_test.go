package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atrium/cmd/atrium/plans"
)

// segments lists the ciphertext files of a site's storage.
func (s site) segments() []string {
	s.t.Helper()
	var list []string
	err := filepath.WalkDir(filepath.Join(s.coordinator(), "state", "rounds"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

// says runs a command of audit or coordinator on the site and looks for lines in what it prints.
func (s site) says(status int, args []string, want ...string) {
	s.t.Helper()
	out, errs := ran(s.t, status, args...)
	for _, words := range want {
		if !strings.Contains(out+errs, words) {
			s.t.Errorf("%v lacks %q:\n%s%s", args, words, out, errs)
		}
	}
}

// A charter that keeps ciphertexts for one more round: they expire, a command of its own
// deletes them, and the audit says which versions rest on the sums that stay. What did
// not expire must not be gone.
func TestRetireByHand(t *testing.T) {
	t.Parallel()
	plan := plans.Cardiology()
	plan.Schedule.Rounds, plan.Schedule.EvaluateEvery = 1, 1
	s := newSiteWith(t, plan, []string{"a", "b", "c"}, "--retain-rounds", "1")
	s.train() // rounds 1 statistics, 2 train, 3 evaluate
	verify := append([]string{"audit", "verify", "--state", filepath.Join(s.dir, "fed")}, s.anchors()...)
	replay := append([]string{"audit", "replay", "--state", filepath.Join(s.dir, "fed")}, s.anchors()...)
	retire := []string{"coordinator", "retire", s.coordinator()}
	s.says(0, verify, "ciphertexts 9 segments are there, 0 of expired rounds are retired", "\nOK: ")
	s.says(0, replay, "OK: 2 versions and 1 evaluations re-derived bit for bit; anchored by the charter")

	s.says(0, append(retire, "--dry-run"), "OK: rounds up to 2 of federation federation expired at entry", "would delete 6 ciphertext segments", "of 2 rounds; 3 segments stay")
	if n := len(s.segments()); n != 9 {
		t.Fatalf("a dry run left %d of 9 segments", n)
	}
	s.says(0, retire, "deleted 6 ciphertext segments")
	s.says(0, retire, "deleted 0 ciphertext segments", "of 0 rounds; 3 segments stay")
	s.says(0, verify, "ciphertexts 3 segments are there, 6 of expired rounds are retired", "\nOK: ")
	s.says(0, replay, "version 1  round 1  statistics  sum attested at entry", "version 2  round 2  train  sum attested at entry", "score of version 2  round 3  re-derived",
		"OK: 0 versions and 1 evaluations re-derived bit for bit, 2 and 0 from attested sums of rounds that expired; anchored by the charter")
	s.says(0, []string{"audit", "show", "--state", filepath.Join(s.dir, "fed")}, "the ciphertexts of the rounds up to 2 may be retired: the charter keeps them for 1 later rounds")

	gone := s.segments()[0]
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	s.says(1, verify, gone[strings.Index(gone, "rounds/"):]+": ciphertext segment", "in round 3: object not found, and no entry of the log lets it go")
	s.says(1, replay, "score of version 2  round 3  missing", "0 of 2 versions and 1 of 1 evaluations are missing")
	s.says(1, append(replay, "--json"), `"status": "missing"`)
}
