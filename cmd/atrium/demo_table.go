package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// showDemoStart says what begins and where it lies.
func showDemoStart(out *output, site demoSite, resumed bool) {
	verb := "starting"
	if resumed {
		verb = "going on with"
	}
	out.line("%s a federation of %d hospitals: %s", verb, len(site.Hospitals), strings.Join(site.Hospitals, ", "))
	out.line("state, keys and logs: %s", site.Dir)
	if filepath.Dir(site.Data) == site.Dir {
		out.line("its records are made up: the figures below show how it works, and say nothing about patients")
	}
}

// showDemoResult prints the table and what it means.
func showDemoResult(out *output, r demoResult) {
	rows := [][]string{{"hospital", "rows", "test", "AUC", "accuracy", "AUC alone", "accuracy alone", "sent"}}
	for _, h := range r.Hospitals {
		if h.Missing != "" {
			rows = append(rows, []string{h.Name, "", "", "", "", "", "", h.Missing})
			continue
		}
		rows = append(rows, []string{h.Name, fmt.Sprint(h.Rows), fmt.Sprint(h.TestRows), number(h.AUC), number(h.Accuracy),
			number(h.AUCAlone), number(h.AccuracyAlone), bytesText(h.BytesSent)})
	}
	if slices.ContainsFunc(r.Hospitals, func(h demoHospital) bool { return h.AccuracyTuned != nil }) {
		rows[0] = append(rows[0], "AUC tuned", "accuracy tuned")
		for i, h := range r.Hospitals {
			rows[i+1] = append(rows[i+1], number(h.AUCTuned), number(h.AccuracyTuned))
		}
	}
	out.line("")
	out.table(rows)
	out.line("")
	out.pairs([][2]string{
		{"pooled test AUC", fmt.Sprintf("%s exact, %s from encrypted histograms", number(r.PooledAUC), number(r.PooledAUCEncrypted))},
		{"pooled test accuracy", number(&r.PooledAccuracy)},
		{"rounds", fmt.Sprintf("%d train rounds, %d of all kinds, %d abandoned; %s", r.Rounds, r.AllRounds, r.Abandoned, r.Reason)},
		{"model", fmt.Sprintf("version %d, %s", r.Version, r.Snapshot)},
		{"log", fmt.Sprintf("%d entries, root %s", r.Log.Size, r.Log.Root)},
		{"wall time", fmt.Sprintf("%.1f s", r.WallSeconds)},
	})
	out.line("")
	for _, line := range demoWords(r) {
		out.line("%s", line)
	}
	out.line("")
	anchor := fmt.Sprintf("--charter-digest %s --checkpoint %s", r.Charter, keptIn(filepath.Join(r.StateDir, demoFederation, "hospitals")))
	out.line("next: atrium audit verify --storage %s %s", r.Store, anchor)
	out.line("      atrium audit replay --storage %s %s", r.Store, anchor)
	out.line("      atrium audit show --storage %s --round %d", r.Store, r.AllRounds)
	out.line("      atrium coordinator status --storage %s", r.Store)
}

// demoWords says who gained and who did not.
func demoWords(r demoResult) []string {
	better, worse, unknown := r.gains()
	var lines []string
	if len(better) > 0 {
		lines = append(lines, "By AUC on their own test records the federated model ranks better than the hospital's own at "+strings.Join(better, ", ")+".")
	}
	if len(worse) > 0 {
		lines = append(lines, "It gains nothing by AUC at "+strings.Join(worse, ", ")+": on these test records the hospital's own model ranks as well or better.")
	}
	if len(unknown) > 0 {
		lines = append(lines, "No comparison at "+strings.Join(unknown, ", ")+" (–: a single class has no AUC).")
	}
	return lines
}

func number(v *float64) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf("%.3f", *v)
}

func bytesText(n int64) string {
	if n < 10<<10 {
		return fmt.Sprintf("%d bytes", n)
	}
	if n < 1<<20 {
		return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
