package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"atrium/client"
)

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
