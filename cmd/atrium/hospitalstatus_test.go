package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"atrium/client"
)

// TestStatusOfADaemon: an idle daemon is connected and waits, one that ended does nothing, and a
// hospital that is frozen or removed says so and what to do.
func TestStatusOfADaemon(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	idle := client.Status{Connected: true, Doing: "waiting for work", Since: "2026-03-01T11:00:00.000Z", Heard: "2026-03-01T12:00:10.000Z", Epoch: 2}
	working := idle
	working.Doing, working.Round = "update", 7
	removed := idle
	removed.Removed = "charter epoch 2 does not name this hospital"
	for what, c := range map[string]struct {
		status hospitalStatus
		want   []string
	}{
		"idle":    {hospitalStatus{Running: true, Daemon: &idle}, []string{"charter epoch 2", "waiting for work, since 2026-03-01T11:00:00.000Z (1h0m30s ago)", "yes, last heard of the coordinator 2026-03-01T12:00:10.000Z (20s ago)"}},
		"working": {hospitalStatus{Running: true, Daemon: &working}, []string{"computing and sending its update, round 7, since"}},
		"ended":   {hospitalStatus{Daemon: &working}, []string{"not running", "nothing; when it ended: computing and sending its update, round 7", "connected  no, last heard"}},
		"frozen":  {hospitalStatus{Daemon: &idle, Frozen: "restored from a backup"}, []string{"frozen     restored from a backup; end any second daemon, then: atrium hospital recover FOLDER"}},
		"new":     {hospitalStatus{Frozen: "restored from a backup"}, []string{"it has written no status yet", "atrium hospital recover"}},
		"removed": {hospitalStatus{Daemon: &removed}, []string{"removed    charter epoch 2 does not name this hospital"}},
	} {
		var b bytes.Buffer
		(&output{out: &b}).hospital(c.status, now)
		for _, want := range c.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: %q is not in\n%s", what, want, &b)
			}
		}
	}
}

// TestStatusSaysTheOwnPart: how often the hospital was summed, and its share of the weight, once
// there is something to say.
func TestStatusSaysTheOwnPart(t *testing.T) {
	show := func(s client.Status) string {
		var b bytes.Buffer
		(&output{out: &b}).hospital(hospitalStatus{Daemon: &s}, time.Time{})
		return b.String()
	}
	if text := show(client.Status{}); strings.Contains(text, "summed") || strings.Contains(text, "weight") {
		t.Errorf("nothing happened yet:\n%s", text)
	}
	text := show(client.Status{Joined: 12, LeftOut: 2, Share: 0.1234, ShareRound: 9})
	for _, want := range []string{"10 of 12 rounds that it joined in time, left out of 2", "12.3 % of round 9's"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}
