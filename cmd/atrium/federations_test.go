package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

// centre is a research centre with two federations of the same hospitals.
type centre struct {
	site             // the first
	second  site     // the other
	folder  string   // of the coordinator's file that lists both
	daemons []string // folders of the hospitals' files that list both
}

func newCentre(t *testing.T, plan federation.Plan) centre {
	t.Helper()
	c := centre{site: newSite(t, plan)}
	c.second = c.site
	c.second.dir = filepath.Join(c.dir, "other")
	ran(t, 0, "coordinator", "init", "--federation", "oncology", "--hospitals", strings.Join(c.names, ","), "--dir", filepath.Join(c.second.dir, "fed"),
		"--authority", filepath.Join(c.dir, "fed"), "--address", "127.0.0.1:1", "--plan", filepath.Join(c.dir, "plan.yaml"), "--data", c.dir)
	address := ports(t, 1)[0]
	c.folder = c.list("centre", fmt.Sprintf("listen: %q\ntls: {cert: ../fed/coordinator/tls.crt, key: ../fed/coordinator/tls.key}\n", address), "coordinator")
	for _, name := range c.names {
		for _, s := range []site{c.site, c.second} {
			replaceLine(t, filepath.Join(s.hospital(name), "atrium.yaml"), "coordinator: ", fmt.Sprintf("coordinator: [%q]", address))
		}
		c.daemons = append(c.daemons, c.list("daemon-"+name, "", filepath.Join("hospitals", name)))
	}
	return c
}

// allow gives the word of each hospital's data owner that both federations may ask the same.
func (c centre) allow() {
	c.t.Helper()
	for _, name := range c.names {
		out, _ := ran(c.t, 0, "hospital", "source", "allow", filepath.Join(c.hospital(name), "charter.json"), c.second.hospital(name), "--yes")
		contains(c.t, out, "in both by name, with other keys", "the difference is theirs who are in one and not in the other")
	}
}

// list writes a configuration file that lists a folder of both federations.
func (c centre) list(name, more, folder string) string {
	c.t.Helper()
	dir := filepath.Join(c.dir, name)
	text := fmt.Sprintf("%sfederations: [%q, %q]\n", more, filepath.Join("..", "fed", folder), filepath.Join("..", "other", "fed", folder))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "atrium.yaml"), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return dir
}

// replaceLine replaces the line of a file that begins with a prefix.
func replaceLine(t *testing.T, file, prefix, line string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, prefix) {
			lines[i] = line
		}
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs all parts until each hospital has adopted as many versions.
func (c centre) run(versions, status int) {
	c.t.Helper()
	lead := started(c.t, "coordinator", "serve", c.folder)
	var daemons []*process
	for _, folder := range c.daemons {
		daemons = append(daemons, started(c.t, "hospital", "run", folder))
	}
	for _, d := range daemons {
		for range versions {
			d.await(c.t, "version adopted")
		}
	}
	for _, d := range daemons {
		if got := d.end(c.t, syscall.SIGTERM); got != 0 {
			c.t.Errorf("%v ends with status %d", d.cmd.Args, got)
		}
	}
	if got := lead.end(c.t, syscall.SIGTERM); got != status {
		c.t.Errorf("the coordinator ends with status %d, want %d", got, status)
	}
}

func (c centre) status(want int) []inspected {
	c.t.Helper()
	out, _ := ran(c.t, want, "coordinator", "status", c.folder, "--json")
	var list []inspected
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		c.t.Fatal(err)
	}
	return list
}

// TestTwoFederations: one coordinator on one address and one daemon a hospital are in two
// federations, each with its own log. Then the log of one is damaged, and the other is
// trained on.
func TestTwoFederations(t *testing.T) {
	t.Parallel()
	plan := plans.Cardiology()
	plan.Schedule.Rounds, plan.Schedule.EvaluateEvery = 2, 0
	c := newCentre(t, plan)
	c.allow()
	c.run(2, 0)
	list := c.status(0)
	if len(list) != 2 || list[0].Status == nil || list[1].Status == nil {
		t.Fatalf("status: %+v", list)
	}
	for i, name := range []string{"federation", "oncology"} {
		if s := list[i].Status; s.Federation != name || s.Finished == "" || s.Version != 3 {
			t.Errorf("%s: %+v", name, s.Status)
		}
	}
	if list[0].Status.LogRoot == list[1].Status.LogRoot || list[0].Status.Charter == list[1].Status.Charter {
		t.Error("both have one log")
	}
	out, _ := ran(t, 0, "hospital", "status", c.daemons[0])
	if strings.Count(out, "AUC here") != 2 || strings.Count(out, "word: of ") != 2 || !strings.Contains(out, "in federation oncology too") {
		t.Errorf("status of a hospital:\n%s", out)
	}
	out, _ = ran(t, 0, "hospital", "source", "show", c.hospital(c.names[0]))
	contains(t, out, "answered here", "oncology", "number of records", "of ")
	_, errs := ran(t, 2, "hospital", "checkpoint", c.daemons[0])
	contains(t, errs, "several federations: give the folder of one of them")
	for _, s := range []site{c.site, c.second} {
		s.audits()
	}

	damaged := filepath.Join(c.second.coordinator(), "state", "log", "000000000003")
	if err := os.WriteFile(damaged, []byte("no batch"), 0o600); err != nil {
		t.Fatal(err)
	}
	next := plan
	next.Name = "second"
	c.put(filepath.Join(c.coordinator(), "plan.yaml"), next)
	for _, name := range c.names {
		c.put(filepath.Join(c.hospital(name), "plan.yaml"), next)
		replaceIn(t, filepath.Join(c.hospital(name), "policy.yaml"), plan.Digest().String(), next.Digest().String())
	}
	c.run(1, 1) // the version of the damaged one was adopted before
	list = c.status(1)
	if s := list[0].Status; s == nil || s.Plan != "second" || s.Version != 5 || s.Finished == "" {
		t.Errorf("the whole federation: %+v", s)
	}
	if list[1].Status != nil || !strings.Contains(list[1].Error, "log/000000000003") {
		t.Errorf("the damaged federation: %+v", list[1])
	}
}

// TestFederationsRefused: what cannot be meant is refused before anything is served.
func TestFederationsRefused(t *testing.T) {
	c := newCentre(t, plans.Cardiology())
	file := filepath.Join(c.folder, "atrium.yaml")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ add, says string }{
		{"charter: ../fed/coordinator/charter.json\n", "charter belongs to one federation: it has no place beside federations"},
		{"storage: state\n", "storage belongs to one federation"},
		{"federations: [../fed/coordinator, ../fed/coordinator]\n", "is named twice"},
		{"federations: [../fed/coordinator, ../centre]\n", "federations in a file that is listed itself"},
		{"federations: [../fed/nowhere]\n", "no such file or directory"},
		{"federation: [../fed/coordinator]\n", `federation: unknown key: did you mean "federations"?`},
	} {
		text := string(good)
		if strings.HasPrefix(tc.add, "federation") {
			text, _, _ = strings.Cut(text, "federations:")
		}
		if err := os.WriteFile(file, []byte(text+tc.add), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := []string{"coordinator", "serve", c.folder}
		status := 1
		if strings.Contains(tc.says, "belongs") {
			status = 2
		}
		if _, errs := ran(t, status, cmd...); !strings.Contains(errs, tc.says) {
			t.Errorf("%s: %q, want %q", tc.add, errs, tc.says)
		}
	}
}
