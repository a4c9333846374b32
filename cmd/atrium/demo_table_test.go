package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestDemoSaysWhoseRecords: figures of records that are made up are not taken for those of
// patients.
func TestDemoSaysWhoseRecords(t *testing.T) {
	for data, madeUp := range map[string]bool{"/tmp/demo/data": true, "/srv/records": false} {
		var b bytes.Buffer
		showDemoStart(&output{out: &b}, demoSite{Dir: "/tmp/demo", Data: data}, false)
		if strings.Contains(b.String(), "made up") != madeUp {
			t.Errorf("of %s:\n%s", data, &b)
		}
	}
}
