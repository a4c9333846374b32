package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
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
