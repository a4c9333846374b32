package round_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

func TestLegal(t *testing.T) {
	phases := []round.Phase{round.None, round.Gathering, round.Collecting, round.Opening, round.Publishing, round.Done, round.Abandoned}
	legal := map[string]bool{
		" gathering": true, "done gathering": true, "abandoned gathering": true,
		"gathering collecting": true, "collecting opening": true, "opening publishing": true, "publishing done": true,
		"gathering abandoned": true, "collecting abandoned": true, "opening abandoned": true, "publishing abandoned": true,
	}
	for _, from := range phases {
		for _, to := range phases {
			if got := round.Legal(from, to); got != legal[string(from)+" "+string(to)] {
				t.Errorf("Legal(%q, %q) = %v", from, to, got)
			}
		}
	}
	if round.Legal("strange", round.Gathering) {
		t.Error("a strange phase leads somewhere")
	}
}

// TestStoryWrongPhase sends every event in phases in which it has no place.
func TestStoryWrongPhase(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	s.refused("start again", round.ErrConflict, round.Started{Charter: s.w.charter.Digest()})
	s.refused("ready of an old candidate", round.ErrStale, func() round.Event {
		ev := s.readyEvent("A", "")
		ev.Candidate = s.w.digest("other")
		return ev
	}())
	s.own(round.TaskOpen)
	stranger := s.joinEvent("A", 2)
	stranger.Hospital = "h-aaaaaaaaaaaaaaaa"
	s.refused("join of a stranger", round.ErrUnknown, stranger)
	keyless := s.joinEvent("A", 2)
	keyless.Key = nil
	s.refused("join without a key", round.ErrMismatch, keyless)
	other := s.joinEvent("A", 2)
	other.Header = s.w.digest("header")
	s.refused("join of another header", round.ErrStale, other)
	s.refused("another plan", round.ErrWrongPhase, round.PlanAccepted{Plan: s.w.digest("plan")})
	s.refused("update too early", round.ErrNotInCohort, s.updateEvent("A"))
	s.refused("candidate too early", round.ErrNotDue, round.CandidateStored{})
	s.refused("vouch too early", round.ErrStale, s.vouchEvent("A"))
	s.refused("derivation of nothing", round.ErrStale, func() round.Event {
		ev := s.derivedEvent("A", true)
		ev.Round++
		return ev
	}())
	s.refused("sum too early", round.ErrStale, round.SumOpened{Round: 2})
	s.refused("no sum too early", round.ErrStale, round.OpeningFailed{Round: 2})
	s.refused("abandon without cause", round.ErrNotDue, round.RoundDefeated{Round: 2})
	s.refused("finish too early", round.ErrNotDue, round.PlanEnded{})
	s.refused("header too late", round.ErrNotDue, round.HeaderStored{})
	s.join("ABCD")
	s.own(round.TaskManifest)
	s.refused("ready too early", round.ErrStale, s.readyEvent("A", ""))
	s.refused("send too early", round.ErrStale, s.sendEvent("A", false))
	decline := s.declineEvent("A", "cook")
	s.refused("decline of a strange role", round.ErrMismatch, decline)
	decline = s.declineEvent("A", federation.RoleUpdate)
	decline.Reason = strings.Repeat("x", federation.MaxReason+1)
	s.refused("decline with a long reason", round.ErrMismatch, decline)
	decline = s.declineEvent("A", federation.RoleUpdate)
	decline.Hospital = "h-aaaaaaaaaaaaaaaa"
	s.refused("decline of a stranger", round.ErrUnknown, decline)
	s.update("ABCD")
	s.refused("another candidate", round.ErrMismatch, round.CandidateStored{Set: [][]federation.HospitalID{s.ids("ABC")}})
	s.own(round.TaskPropose)
	s.refused("complaint about a stranger", round.ErrMismatch, func() round.Event {
		ev := s.readyEvent("A", "")
		ev.Unreadable = []federation.HospitalID{"h-aaaaaaaaaaaaaaaa"}
		return ev
	}())
	s.refused("unsorted complaints", round.ErrMismatch, s.readyEvent("A", "CB"))
	s.ready("A", "B", "C", "D")
	s.must("ready again", s.readyEvent("A", "B")) // the first word counts
	wrong := s.sendEvent("A", false)
	wrong.Candidate = s.w.digest("other candidate")
	s.refused("send for another candidate", round.ErrStale, wrong)
	s.send("A")
	wrong = s.sendEvent("A", false)
	wrong.Blob = s.w.digest("other send")
	s.refused("other send", round.ErrConflict, wrong)
	s.refused("vouch that is not wanted", round.ErrNotInCohort, s.vouchEvent("A"))
	s.send("BC")
	s.own(round.TaskPublish)
	s.must("send after the end", s.sendEvent("D", false))
	s.tell("wrong-phase")
}

// TestHeaderMustFollow: a header is taken only if it continues the state.
func TestHeaderMustFollow(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	var task round.Task
	for _, p := range round.Pending(s.state, s.moment()) {
		if p.Kind == round.TaskOpen {
			task = p
		}
	}
	good := s.event(task, s.state).(round.HeaderStored).Header
	for name, change := range map[string]func(*federation.Header){
		"round": func(h *federation.Header) { h.Round++ }, "kind": func(h *federation.Header) { h.Kind = federation.Evaluate },
		"plan": func(h *federation.Header) { h.Plan = federation.Digest{} }, "version": func(h *federation.Header) { h.Version++ },
		"base": func(h *federation.Header) { h.Base = h.Plan }, "parameters": func(h *federation.Header) { h.Parameters = h.Plan },
		"charter": func(h *federation.Header) { h.Charter = h.Plan },
	} {
		h := good
		change(&h)
		s.refused(name, round.ErrMismatch, round.HeaderStored{Header: h, Blob: h.Digest()})
	}
	s.refused("blob", round.ErrMismatch, round.HeaderStored{Header: good, Blob: good.Plan})
	s.must("good", round.HeaderStored{Header: good, Blob: good.Digest()})
}

// TestBeforeGenesis: nothing is decided, applied or owed before the log is opened.
func TestBeforeGenesis(t *testing.T) {
	s := round.State{Charter: testCharter(t, 3, 1)}
	w := round.When{Now: start}
	for _, ev := range []round.Event{round.Led{}, round.PlanAccepted{Plan: federation.Sum(nil)}, round.Started{}, round.HeaderStored{}, round.PlanEnded{}} {
		if entries, err := round.Decide(s, ev, w); err == nil {
			t.Errorf("%T gives %v", ev, entries)
		}
	}
	if list := round.Pending(s, w); len(list) > 0 {
		t.Errorf("owed: %v", list)
	}
	if _, err := round.Apply(s, round.Entry{V: 1, Kind: round.Lead, Epoch: 1}); !errors.Is(err, round.ErrEntry) {
		t.Errorf("lead before genesis: %v", err)
	}
}

// TestApplyRefusesStrangeEntries: an entry that this machine would not have written
// where it stands is an error and changes nothing.
func TestApplyRefusesStrangeEntries(t *testing.T) {
	s := newStory(t, 4, 0)
	s.statistics("ABCD")
	s.gather("ABCD")
	a, d := s.id("A"), s.w.digest("blob")
	for _, e := range []round.Entry{
		{Kind: "strange"}, {Kind: round.Genesis, Blob: s.w.charter.Digest()}, {Kind: round.Lead, Epoch: 7},
		{Kind: round.PlanSet, Blob: d}, {Kind: round.Open, Round: 3}, {Kind: round.Open, Round: 3, Seconds: -1}, {Kind: round.Join, Round: 2, Hospital: a},
		{Kind: round.Collect, Round: 2, Blob: d}, {Kind: round.Update, Round: 1, Hospital: a, Blob: d},
		{Kind: round.Update, Round: 2, Hospital: "h-aaaaaaaaaaaaaaaa", Blob: d}, {Kind: round.Discard, Round: 2, Hospital: a, Blob: d},
		{Kind: round.Candidate, Round: 9}, {Kind: round.Ready, Round: 2, Hospital: a}, {Kind: round.Vouched, Round: 2, Hospital: a, Blob: d},
		{Kind: round.Send, Round: 2, Manifest: s.state.Round.Manifest}, {Kind: round.Publish, Round: 2}, {Kind: round.Abandon, Round: 2},
		{Kind: round.Finish, Reason: "why"}, {Kind: round.Declined, Round: 1},
	} {
		before := federation.Encode(s.state)
		next, err := round.Apply(s.state, e)
		if !errors.Is(err, round.ErrEntry) || !reflect.DeepEqual(next, s.state) || !bytes.Equal(before, federation.Encode(s.state)) {
			t.Errorf("apply %s in %s: %v", e.Encode(), s.state.Round.Phase, err)
		}
	}
}

// TestReasonsStayText: a reason that is cut, not text or empty still makes an entry that decodes.
func TestReasonsStayText(t *testing.T) {
	for name, reason := range map[string]string{
		"long": strings.Repeat("ü", federation.MaxReason), "cut inside a character": "x" + strings.Repeat("ü", federation.MaxReason),
		"not text": "bad \xff text", "empty": "",
	} {
		s := newStory(t, 4, 0)
		s.stand("ABCD")
		s.send("ABCD")
		entries, err := round.Decide(s.state, round.OpeningFailed{Round: 1, Sends: 4, Reason: reason}, s.moment())
		if err != nil || len(entries) != 1 {
			t.Fatalf("%s: %v, %v", name, entries, err)
		}
		read, err := round.DecodeEntry(entries[0].Encode())
		if err != nil || !reflect.DeepEqual(read, entries[0]) || read.Reason == "" || len(read.Reason) > federation.MaxReason {
			t.Errorf("%s: %v: %s", name, err, entries[0].Encode())
		}
		if _, err := round.Apply(s.state, entries[0]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeEntry(f *testing.F) {
	d := federation.Sum([]byte("x"))
	now := federation.FormatTime(start)
	for _, e := range []round.Entry{
		{V: 1, Kind: round.Genesis, Time: now, Blob: d}, {V: 1, Kind: round.PlanSet, Time: now, Blob: d, Schedule: &federation.Schedule{Rounds: 1}},
		{V: 1, Kind: round.Candidate, Time: now, Round: 3, Blob: d, Bytes: 9, Hospitals: []federation.HospitalID{"h-a"}},
		{V: 1, Kind: round.Publish, Time: now, Round: 3, Groups: []int{0, 1}, Version: 2, Snapshot: d},
		{V: 1, Kind: round.Open, Time: now, Round: 1, RoundKind: federation.Train, Blob: d, Seconds: 30},
		{V: 1, Kind: round.Join, Time: now, Round: 1, Hospital: "h-a", Blob: d, Counter: 1, Capability: federation.Capability{TrainSeconds: 8, UploadKiB: 512}},
		{V: 1, Kind: round.Publish, Time: now, Round: 4, Groups: []int{0}, Metric: new(float64)},
		{V: 1, Kind: round.PlanSet, Time: now, Blob: d, Schedule: &federation.Schedule{Rounds: 1, Stop: federation.Stop{Metric: "auc", Target: 0.5},
			Cohort: federation.Cohort{Size: 3, Extra: 0.25}, Deadline: federation.Deadline{Mode: "auto", Least: 1, Quantile: 0.5, Factor: 2}}},
		{V: 1, Kind: round.Abandon, Time: now, Reason: "because <of> ü"}, {V: 1, Kind: round.Refuse, Time: now, Round: 3, Hospital: "h-a", Role: "update", Reason: "why"}, {V: 2, Kind: round.Lead, Time: now}, {V: 1, Kind: "new", Time: now},
	} {
		f.Add(e.Encode())
	}
	f.Add(fmt.Appendf(nil, `{"v":1,"kind":"lead","time":%q,"Epoch":1}`, now))
	s := round.State{Charter: federation.Charter{}, Genesis: true}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := round.DecodeEntry(b)
		if err != nil {
			return
		}
		if again := e.Encode(); !bytes.Equal(b, again) {
			t.Errorf("%s re-encodes to %s", b, again)
		}
		if _, err := round.Apply(s, e); err != nil && !errors.Is(err, round.ErrEntry) {
			t.Errorf("apply %s: %v", b, err)
		}
	})
}
