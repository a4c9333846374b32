package audit

import (
	"fmt"
	"slices"
	"strings"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// Text is the history in lines of plain words: one a round and one for what happened
// between rounds, or all about the one round that was asked for.
func (h History) Text() []string {
	var lines []string
	for _, e := range h.Events {
		switch {
		case e.Round == nil:
			lines = append(lines, e.Time+"  "+e.Words)
		case h.Round == 0:
			lines = append(lines, e.Time+"  "+e.Round.Line())
		default:
			lines = append(lines, e.Round.Text(h.Threshold)...)
		}
	}
	return lines
}

// Line is the round in one line.
func (s Story) Line() string {
	line := fmt.Sprintf("round %d, %s", s.Number, s.Kind)
	if s.Base > 0 {
		line += fmt.Sprintf(" on version %d", s.Base)
	}
	switch s.Phase {
	case round.Done:
		line += fmt.Sprintf(": done in %s with %d hospitals, %s", s.Duration(), s.Result.Submitters, s.outcome())
	case round.Abandoned:
		line += fmt.Sprintf(": abandoned after %s: %s", s.Duration(), s.Reason)
	default:
		line += fmt.Sprintf(": %s", s.Phase)
	}
	if len(s.Discarded) > 0 {
		line += fmt.Sprintf("; too late: %s", list(s.Discarded))
	}
	return line
}

// outcome is the result in a few words.
func (s Story) outcome() string {
	switch r := s.Result; {
	case r.Evaluation != nil:
		return fmt.Sprintf("AUC %s, accuracy %.4f", score(r.Evaluation.AUC), r.Evaluation.Accuracy)
	case r.Train != nil:
		text := fmt.Sprintf("version %d, weight %g, %s", s.Version, r.Train.Weight, r.Train.ClippedText())
		if r.Train.Effort > 0 {
			text += fmt.Sprintf(", %.1f steps on average", r.Train.Effort)
		}
		if len(r.Train.GroupWeights) > 0 {
			text += fmt.Sprintf(", groups weigh %.3f", r.Train.GroupWeights)
		}
		return text
	}
	return fmt.Sprintf("version %d", s.Version)
}

// Text is the round in full; threshold is how many custodians must answer.
func (s Story) Text(threshold int) []string {
	lines := []string{s.Line(), "  question      " + s.Question, "  opened        " + federation.FormatTime(s.Opened)}
	say := func(label, format string, args ...any) {
		lines = append(lines, fmt.Sprintf("  %-13s ", label)+fmt.Sprintf(format, args...))
	}
	some := func(label string, names []string, note string) {
		if len(names) > 0 {
			say(label, "%s%s", list(names), note)
		}
	}
	say("joined", "%s", list(s.Joined))
	if s.Pinned {
		say("cohort", "fixed by an earlier round: the first evaluation of the plan, or a sum of which no group held")
	}
	if s.Released > 0 {
		say("released", "by every hospital: what was answered under %d earlier manifests of this question", s.Released)
	}
	if s.Burnt > 0 {
		say("burnt", "certificates that fewer than %d custodians can ever send under %d earlier manifests of this question", threshold, s.Burnt)
	}
	some("drawn", s.Asked, "")
	some("masked", s.Masked, ": too few hospitals have it, so it counts as measured by nobody")
	if s.Updates > 0 {
		say("deadline", "%s after it began to collect, from what earlier rounds took", s.Updates)
	}
	if s.Cohort > 0 {
		say("submitted", "%s (%d of %d)", list(s.Submitted), len(s.Submitted), s.Cohort)
	}
	if len(s.Clips) > 0 {
		say("clip", "%.3g to %.3g by tensor, from what version %d says", slices.Min(s.Clips), slices.Max(s.Clips), s.Base)
	}
	some("discarded", s.Discarded, ": the update came after the candidate was fixed")
	for _, d := range s.Declined {
		say("declined", "%s, as %s: %q", d.Hospital, d.Role, d.Reason)
	}
	for _, d := range s.Refused {
		say("refused", "%s, as %s: %q", d.Hospital, d.Role, d.Reason)
	}
	some("ready", s.Ready, fmt.Sprintf(" (%d custodians, %d must send)", s.custodians, threshold))
	some("complained", s.Complained, ": could not read a submitter")
	some("dropped", s.Dropped, ": custodians could not read it, or it did not vouch")
	some("vouched", s.Vouched, "")
	if len(s.Groups) > 1 {
		for g, names := range s.Groups {
			say(fmt.Sprintf("S, group %d", g), "%s (%d)", list(names), len(names))
		}
	} else {
		some("S", s.S, fmt.Sprintf(" (%d)", len(s.S)))
	}
	some("sent", s.Sent, "")
	some("wrong", s.Wrong, ": share sums disagree with the sum, or a dealer in S gave wrong shares")
	return append(lines, s.ending()...)
}

// ending is how the round ended, and what was said of it later.
func (s Story) ending() []string {
	var lines []string
	say := func(label, text string) { lines = append(lines, fmt.Sprintf("  %-13s %s", label, text)) }
	if s.Result != nil {
		say("result", s.outcome())
		if e := s.Result.Evaluation; e != nil {
			say("", fmt.Sprintf("at 0.5: %g true positives, %g false positives, %g true negatives, %g false negatives", e.TP, e.FP, e.TN, e.FN))
			for _, l := range e.Labels {
				say("", fmt.Sprintf("%s: AUC %s, accuracy %.4f, of %g records %g have it", l.Label, score(l.AUC), l.Accuracy, l.TP+l.FP+l.TN+l.FN, l.TP+l.FN))
			}
		}
	}
	if s.Version > 0 {
		say("snapshot", s.Snapshot.String())
	}
	if s.Result != nil && len(s.Result.Groups) > 1 {
		for _, g := range s.Result.Groups {
			if g.Reason == "" {
				say(fmt.Sprintf("group %d", g.Group), fmt.Sprintf("%d hospitals in the sum", g.Submitters))
			} else {
				say(fmt.Sprintf("group %d", g.Group), "left out: "+g.Reason)
			}
		}
	}
	if s.Reason != "" {
		say("abandoned", s.Reason)
	}
	if len(s.Burned) > 0 {
		say("burned", list(s.Burned)+": will never send")
	}
	if len(s.Derived) > 0 {
		say("derived", list(s.Derived)+": computed the same")
	}
	if len(s.Disputed) > 0 {
		say("disputed", list(s.Disputed)+": computed something else")
	}
	if !s.Ended.IsZero() {
		say("ended", federation.FormatTime(s.Ended)+" after "+s.Duration().String())
	}
	return lines
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
