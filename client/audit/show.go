package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/storage"
)

// Show tells what happened in a round, or in all of them and between them for 0. It
// checks the log, and of its objects charter, headers, plans and results; it is no
// substitute for Verify. Errors are as for Verify; a round that the log does not have
// is an error too.
func Show(ctx context.Context, b storage.Bucket, number uint64, opts Options) (History, error) {
	h, err := begin(ctx, b, opts)
	if err != nil {
		return History{}, err
	}
	t := teller{history: h, stories: map[uint64]*Story{}}
	t.out = History{Federation: h.charter.Federation, Hospitals: len(h.charter.Members), Threshold: h.charter.Threshold, Round: number}
	if _, err := h.walk(ctx, func(s step) error { return t.tell(ctx, s) }); err != nil {
		return History{}, err
	}
	if number == 0 {
		return t.out, nil
	}
	if t.stories[number] == nil {
		return History{}, fmt.Errorf("show round %d: the log has %d rounds", number, h.memo.State.Round.Number)
	}
	t.out.Events = slices.DeleteFunc(t.out.Events, func(e Event) bool { return e.Round == nil || e.Round.Number != number })
	return t.out, nil
}

// teller collects stories. Entries of a round may come after its end.
type teller struct {
	*history
	plan    federation.Plan
	stories map[uint64]*Story
	out     History
}

func (t *teller) tell(ctx context.Context, s step) error {
	switch s.entry.Kind {
	case round.Genesis:
		t.say(s, "the federation began under charter %s with %d hospitals", s.entry.Blob.Short(), len(t.charter.Members))
	case round.Lead:
		t.say(s, "a coordinator took the lead, term %d", s.entry.Epoch)
	case round.CharterSet:
		t.epoch(s)
	case round.Expire:
		t.say(s, "the ciphertexts of the rounds up to %d may be retired: the charter keeps them %s", s.entry.Round, t.charter.Retention)
	case round.Finish:
		t.say(s, "the plan ended: %s", s.entry.Reason)
	case round.PlanSet:
		plan, err := opening.Plan(ctx, t.bucket, s.entry.Blob)
		if err != nil {
			return unread(storage.Blob(s.entry.Blob), s.name(), err)
		}
		t.plan = plan
		start := ""
		if plan.Start != (federation.Start{}) {
			start = "; it begins " + plan.Start.Words()
		}
		t.say(s, "plan %s began: %s, %s, %d train rounds%s", plan.Name, modelName(plan), plan.Aggregation.Rule, plan.Schedule.Rounds, start)
	case round.Open:
		return t.open(ctx, s)
	case round.Publish, round.Abandon:
		return t.end(ctx, s)
	default:
		t.hospital(s)
	}
	return nil
}

// epoch tells of a charter that follows another.
func (t *teller) epoch(s step) {
	if story := t.stories[s.entry.Round]; story != nil {
		story.Phase, story.Ended, story.Reason = round.Abandoned, moment(s.entry), s.entry.Reason
	}
	t.say(s, "charter %s began, countersigned by its %d hospitals: %s", s.entry.Blob.Short(), len(s.after.Charter.Members),
		strings.Join(s.before.Charter.Changes(s.after.Charter), "; "))
}

func (t *teller) say(s step, format string, args ...any) {
	t.out.Events = append(t.out.Events, Event{Time: s.entry.Time, Words: fmt.Sprintf(format, args...)})
}

func modelName(p federation.Plan) string {
	if p.Arrays() {
		return fmt.Sprintf("%s model of %d parameters on arrays of %v for %q", p.Model.Kind, p.ParameterCount(), p.Model.Input.Shape, p.Label.Name)
	}
	return fmt.Sprintf("%s model of %d parameters on %d features for %q", p.Model.Kind, p.ParameterCount(), len(p.Features), p.Label.Name)
}

func (t *teller) open(ctx context.Context, s step) error {
	header, err := opening.Header(ctx, t.bucket, s.entry.Blob)
	if err != nil {
		return unread(storage.Blob(s.entry.Blob), s.name(), err)
	}
	story := &Story{Number: s.entry.Round, Kind: s.entry.RoundKind, Month: header.Part, Base: header.Version, Opened: moment(s.entry), Phase: round.Gathering,
		Updates:  time.Duration(header.UpdateSeconds) * time.Second,
		Question: t.question(header), custodians: len(t.charter.Custodians)}
	if story.Clips, err = header.Clips(t.plan); err != nil {
		return s.wrong(err)
	}
	t.stories[story.Number] = story
	t.out.Events = append(t.out.Events, Event{Time: s.entry.Time, Round: story})
	return nil
}

// question says in words what the opened sum answers.
func (t *teller) question(h federation.Header) string {
	switch h.Kind {
	case federation.Statistics:
		if t.plan.Arrays() {
			return fmt.Sprintf("over all records, what are mean and deviation of %s?", t.plan.Features[0].Name)
		}
		return fmt.Sprintf("over all records, how often is each of %d features measured, and what are its mean and deviation?", len(t.plan.Features))
	case federation.Train:
		return fmt.Sprintf("what is the weighted sum of the hospitals' changes to version %d?", h.Version)
	}
	of := "all records"
	if h.Part != "" {
		of = fmt.Sprintf("the records whose %s lies in %s", t.plan.Schedule.Months.Date, h.Part)
	}
	return fmt.Sprintf("over %s, how well does version %d predict %q?", of, h.Version, t.plan.Label.Name)
}

// hospital notes what a hospital did, or the coordinator about hospitals.
func (t *teller) hospital(s step) {
	e, story := s.entry, t.stories[s.entry.Round]
	if story == nil {
		return
	}
	if e.Round == s.after.Round.Number && e.Kind != round.Derived {
		story.Phase = s.after.Round.Phase
	}
	add := func(list *[]string) {
		if name := t.nameOf(e.Hospital); !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	switch e.Kind {
	case round.Join:
		add(&story.Joined)
	case round.Collect:
		story.Pinned, story.Burnt = e.Pinned, len(round.Explain(s.before).Burnt)
		story.Released = len(s.before.Released())
		story.Masked = t.plan.MaskWords(s.after.Round.Masked)
		asked := slices.Concat(s.after.Round.Cohort...)
		story.Cohort = len(asked)
		if s.after.Round.Kind == federation.Train && s.after.Schedule.Cohort.On() {
			story.Asked = t.names(asked)
		}
	case round.Update:
		add(&story.Submitted)
	case round.Discard:
		add(&story.Discarded)
	case round.Declined:
		story.Declined = append(story.Declined, Declined{t.nameOf(e.Hospital), e.Role, e.Reason})
	case round.Refuse:
		story.Refused = append(story.Refused, Declined{t.nameOf(e.Hospital), e.Role, e.Reason})
	case round.Candidate:
		story.Dropped, story.Ready, story.Vouched = append(story.Dropped, t.names(e.Hospitals)...), nil, nil
		story.Fetched = nil
		story.S, story.Groups = t.names(slices.Concat(s.after.Round.S...)), nil
		for _, group := range s.after.Round.S {
			story.Groups = append(story.Groups, t.names(group))
		}
	case round.Ready:
		if len(e.Hospitals) > 0 {
			add(&story.Complained)
		} else {
			add(&story.Ready)
		}
	case round.Vouched:
		add(&story.Vouched)
	case round.Fetch:
		story.Fetched = append(story.Fetched, t.names(e.Hospitals)...)
	case round.Send:
		add(&story.Sent)
	case round.Derived:
		if e.Reason == "" {
			add(&story.Derived)
		} else {
			add(&story.Disputed)
		}
	case round.Burn:
		add(&story.Burned)
	}
}

func (t *teller) end(ctx context.Context, s step) error {
	story := t.stories[s.entry.Round]
	story.Phase, story.Ended = s.after.Round.Phase, moment(s.entry)
	if s.entry.Kind == round.Abandon {
		story.Reason = s.entry.Reason
		return nil
	}
	story.Wrong, story.Note = t.names(s.entry.Custodians), s.entry.Reason
	story.Version, story.Snapshot = s.entry.Version, s.entry.Snapshot
	raw, err := storage.GetBlob(ctx, t.bucket, s.entry.Blob, federation.MaxManifestBytes)
	if err != nil {
		return unread(storage.Blob(s.entry.Blob), s.name(), err)
	}
	result, err := opening.DecodeResult(raw)
	if err != nil {
		return s.wrong(err)
	}
	story.Result = &result
	return nil
}

func (t *teller) names(ids []federation.HospitalID) []string {
	var names []string
	for _, id := range ids {
		names = append(names, t.nameOf(id))
	}
	slices.Sort(names)
	return names
}

// moment is an entry's time, which DecodeEntry checked.
func moment(e round.Entry) time.Time {
	when, _ := federation.ParseTime(e.Time)
	return when
}
