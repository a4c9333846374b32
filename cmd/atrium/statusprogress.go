package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"atrium/coordinator"
	"atrium/coordinator/federation"
)

// shownHospitals bounds a line: a federation may have a thousand. --json has all.
const shownHospitals = 6

// progressPairs is a line for each part of the round under way that somebody has done, or is
// to do.
func progressPairs(i coordinator.Inspection) [][2]string {
	p := i.Progress
	if p == nil {
		return nil
	}
	name := namesOf(i)
	pairs := [][2]string{{"joined", amongWords(name, p.Joined, len(i.Hospitals))}}
	if len(p.Asked) > 0 {
		pairs = append(pairs, [2]string{"updates", amongWords(name, p.Updates, len(p.Asked))})
	}
	var declined []string
	for _, id := range slices.Sorted(maps.Keys(p.Declined)) {
		declined = append(declined, fmt.Sprintf("%s (%s)", name(id), p.Declined[id]))
	}
	pairs = append(pairs, [2]string{"declined", shortened(declined)})
	if i.Phase != "opening" && i.Phase != "publishing" {
		return pairs
	}
	ready := fmt.Sprintf("%s; %d must be", namesWords(name, p.Ready), p.Threshold)
	if len(p.Objected) > 0 {
		ready += "; cannot read somebody: " + namesWords(name, p.Objected)
	}
	pairs = append(pairs, [2]string{"ready", ready})
	if p.Vouching {
		pairs = append(pairs, [2]string{"vouched", namesWords(name, p.Vouched)})
	}
	pairs = append(pairs, [2]string{"sent", fmt.Sprintf("%s; %d must", namesWords(name, p.Sent), p.Threshold)})
	if len(p.Burned) > 0 {
		pairs = append(pairs, [2]string{"burned", namesWords(name, p.Burned)})
	}
	return pairs
}

// derivedText says which custodians computed the newest version themselves and, of the last sum
// where that is another, who owes that and who came to something else.
func derivedText(i coordinator.Inspection) string {
	d, name := i.Derivation, namesOf(i)
	if d == nil {
		return ""
	}
	text := fmt.Sprintf("version %d by %s", i.Version, namesWords(name, i.Signed))
	if d.Version == 0 || d.Version != i.Version {
		text += fmt.Sprintf("; round %d by %s", d.Round, namesWords(name, d.Derived))
	}
	if len(d.Owing) > 0 {
		text += "; owed by " + namesWords(name, d.Owing)
	}
	if len(d.Disputed) > 0 {
		text += "; DISPUTED by " + namesWords(name, d.Disputed) + ", see audit show " + fmt.Sprint(d.Round)
	}
	return text
}

// skippedText says how many evaluations of the plan were left out, and why the last one.
func skippedText(s *coordinator.Skips) string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("%d under this plan; the last, round %d: %s", s.Count, s.Round, s.Why)
}

// namesOf is how people know hospitals: by name where the charter shows names.
func namesOf(i coordinator.Inspection) func(federation.HospitalID) string {
	names := map[federation.HospitalID]string{}
	for _, h := range i.Hospitals {
		names[h.ID] = h.Name
	}
	return func(id federation.HospitalID) string {
		if names[id] != "" {
			return names[id]
		}
		return string(id)
	}
}

func amongWords(name func(federation.HospitalID) string, ids []federation.HospitalID, of int) string {
	return fmt.Sprintf("%d of %d: %s", len(ids), of, namesWords(name, ids))
}

func namesWords(name func(federation.HospitalID) string, ids []federation.HospitalID) string {
	if len(ids) == 0 {
		return "nobody yet"
	}
	var list []string
	for _, id := range ids {
		list = append(list, name(id))
	}
	return shortened(list)
}

func shortened(list []string) string {
	if n := len(list) - shownHospitals; n > 0 {
		list = append(slices.Clone(list[:shownHospitals]), fmt.Sprintf("and %d more", n))
	}
	return strings.Join(list, ", ")
}
