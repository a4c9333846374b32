package main

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"atrium/coordinator/federation"
)

// TestReadmeCommands asks the program whether each command that the README shows is one,
// with the flags that it shows. What the commands do is in the tests of each.
func TestReadmeCommands(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		for line := range strings.Lines(block[1]) {
			line, _, _ = strings.Cut(line, "#")
			_, command, ok := strings.Cut(line, "./atrium ")
			if _, demo, is := strings.Cut(line, "go run ./cmd/atrium "); is {
				command, ok = demo, true
			}
			if !ok {
				continue
			}
			command, _, _ = strings.Cut(command, "&")
			found++
			args := append(strings.Fields(command), "--help")
			out, err := exec.Command("atrium", args...).CombinedOutput()
			words := strings.Join(args[:min(2, len(args)-1)], " ")
			if err != nil || !strings.Contains(string(out), "atrium "+words) {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
		}
	}
	if found < 6 {
		t.Errorf("%d commands in the README", found)
	}
}

// TestReadmeTable: the README's numbers of charters are those that charters have.
func TestReadmeTable(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []int{3, 4, 5, 7, 10, 21} {
		var members []federation.Member
		for i := range m {
			key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(i)}, ed25519.SeedSize)).Public().(ed25519.PublicKey)
			members = append(members, federation.Member{ID: federation.NewHospitalID("test", key), IdentityKey: key, TLSKey: federation.Sum(key)})
		}
		c, err := federation.NewCharter("test", "log", members, false)
		if err != nil {
			t.Fatal(err)
		}
		k := fmt.Sprint(c.MinCohort)
		if c.Cohort == federation.CohortAll {
			k += ", all"
		}
		row := fmt.Sprintf("\n| %d | %d | %d | %d | %s | %d | %d |\n", m, c.Threshold, c.MaxHostile, c.MaxHostileMembers, k, m-c.Threshold, c.BurnQuorum())
		if !strings.Contains(string(readme), row) {
			t.Errorf("the README has no row%s", row)
		}
	}
}
