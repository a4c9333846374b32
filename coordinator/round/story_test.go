package round_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

var updateGolden = flag.Bool("update", false, "write the transcripts in testdata anew")

// story drives the machine by hand and writes down what happens: each event, its entries
// or its refusal, and what is owed afterwards. Hospitals are A, B, C … in charter order.
type story struct {
	*coordinator
	t    testing.TB
	gone []federation.HospitalID
	text strings.Builder
	held map[federation.HospitalID]update // last update sent

	releases map[string][]federation.Digest // what Joins release, by letter
}

// newStory starts a federation of n hospitals, all custodians, with a plan of one train round.
func newStory(t testing.TB, n, evaluateEvery int) *story {
	return newGroupedStory(t, n, 1, evaluateEvery)
}

// newGroupedStory is newStory with the hospitals in equal groups, in charter order.
func newGroupedStory(t testing.TB, n, groups, evaluateEvery int) *story {
	return newPlannedStory(t, n, groups, func(p *federation.Plan) { p.Schedule.EvaluateEvery = evaluateEvery })
}

// newPlannedStory is newGroupedStory with another plan of one train round.
func newPlannedStory(t testing.TB, n, groups int, change func(*federation.Plan)) *story {
	plan := testPlan(1, 0)
	change(&plan)
	return newStoryOf(t, testCharter(t, n, groups), plan)
}

func newStoryOf(t testing.TB, charter federation.Charter, plan federation.Plan) *story {
	w := &world{t: t, rng: rand.New(rand.NewPCG(1, 1)), healthy: true, charter: charter, plan: plan,
		blobs: map[federation.Digest]any{}}
	s := &story{t: t, held: map[federation.HospitalID]update{}, coordinator: &coordinator{w: w, up: true, state: round.State{Charter: w.charter}}}
	s.do("start", round.Started{Charter: w.charter.Digest()})
	s.do("lead", round.Led{})
	s.do("plan", round.PlanAccepted{Plan: w.plan.Digest(), Schedule: w.plan.Schedule, Rule: w.plan.Comparing()})
	return s
}

func (s *story) id(letter string) federation.HospitalID {
	return s.w.charter.Members[letter[0]-'A'].ID
}

func (s *story) ids(letters string) []federation.HospitalID {
	var out []federation.HospitalID
	for _, l := range letters {
		out = append(out, s.id(string(l)))
	}
	return out
}

func (s *story) moment() round.When { return round.When{Now: start.Add(s.w.now), Gone: s.gone} }

// do decides twice, applies, and checks that nothing was changed in place.
func (s *story) do(name string, ev round.Event) error {
	s.t.Helper()
	before := federation.Encode(s.state)
	entries, err := round.Decide(s.state, ev, s.moment())
	restored, failed := round.DecodeMemo(round.Memo{State: s.state}.Encode())
	if failed != nil {
		s.t.Fatalf("%s: %v", name, failed)
	}
	restored.State.Coming = s.state.Coming                   // verified anew after each start
	again, _ := round.Decide(restored.State, ev, s.moment()) // a state that was stored decides the same
	if !bytes.Equal(federation.Encode(entries), federation.Encode(again)) {
		s.t.Errorf("%s: the same inputs gave %s, then %s", name, federation.Encode(entries), federation.Encode(again))
	}
	fmt.Fprintf(&s.text, "%s %s\n", start.Add(s.w.now).Format("15:04:05"), name)
	if err != nil {
		fmt.Fprintf(&s.text, "    refused: %v\n", err)
	} else if len(entries) == 0 {
		fmt.Fprintf(&s.text, "    changes nothing\n")
	}
	for _, e := range entries {
		next, err := round.Apply(s.state, e)
		if err != nil {
			s.t.Fatalf("%s: apply %s: %v", name, e.Encode(), err)
		}
		if now := federation.Encode(s.state); !bytes.Equal(before, now) {
			s.t.Fatalf("%s: apply %s changed its input:\n%s", name, e.Kind, cmp.Diff(string(before), string(now)))
		}
		if err := round.Invariants(next); err != nil {
			s.t.Fatalf("%s: %v", name, err)
		}
		s.fork(e, next)
		fmt.Fprintf(&s.text, "    %s\n", e.Encode())
		s.log, s.state = append(s.log, e.Encode()), next
		before = federation.Encode(s.state)
	}
	if now := federation.Encode(s.state); !bytes.Equal(before, now) {
		s.t.Fatalf("%s: the state was changed in place", name)
	}
	s.owed()
	return err
}

// fork applies a second entry to the state that e was applied to: what came of the
// first must not change.
func (s *story) fork(e round.Entry, next round.State) {
	before := federation.Encode(next)
	e.Blob = federation.Sum([]byte("fork"))
	round.Apply(s.state, e) // refused or not
	if now := federation.Encode(next); !bytes.Equal(before, now) {
		s.t.Errorf("two states share what %s changes:\n%s", e.Kind, cmp.Diff(string(before), string(now)))
	}
}

// owed writes down what is owed, one line.
func (s *story) owed() {
	var list []string
	for _, t := range round.Pending(s.state, s.moment()) {
		what := string(t.Kind)
		if t.Hospital != "" {
			what += " " + string(t.Hospital)
		}
		list = append(list, what)
	}
	line := fmt.Sprintf("    %s: %s; owed: %s", s.state.Round.Phase, round.Waiting(s.state), strings.Join(list, ", "))
	if last := s.text.String(); !strings.HasSuffix(last[:strings.LastIndex(last, "\n")], line) {
		fmt.Fprintln(&s.text, line)
	}
}

// refused does an event that must be refused with want.
func (s *story) refused(name string, want error, ev round.Event) {
	s.t.Helper()
	if err := s.do(name, ev); !errors.Is(err, want) {
		s.t.Errorf("%s: got %v, want %v", name, err, want)
	}
}

func (s *story) must(name string, ev round.Event) {
	s.t.Helper()
	if err := s.do(name, ev); err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
}

// own performs the coordinator's task of a kind, which must be owed.
func (s *story) own(kind round.TaskKind) {
	s.t.Helper()
	for _, t := range round.Pending(s.state, s.moment()) {
		if t.Kind == kind {
			s.must(string(kind), s.event(t, s.state))
			return
		}
	}
	s.t.Fatalf("%s is not owed in %s: %s\n%s", kind, s.state.Round.Phase, round.Waiting(s.state), s.text.String())
}

func (s *story) pass(seconds int) {
	s.w.now += time.Duration(seconds) * time.Second
	fmt.Fprintf(&s.text, "%s %d seconds pass\n", start.Add(s.w.now).Format("15:04:05"), seconds)
	s.owed()
}

func (s *story) joinEvent(letter string, counter uint64) round.JoinVerified {
	id := s.id(letter)
	j := federation.VerifiedJoin{Join: federation.Join{V: 1, Header: s.state.Round.Header, Hospital: id, Counter: counter,
		Incarnation: federation.Sum(fmt.Appendf(nil, "run %d of %s", counter, letter)), Releases: s.releases[letter]}}
	if _, custodian := s.w.charter.Point(id); custodian {
		j.Key = []byte("key")
	}
	j.Blob = federation.Sum(federation.Encode(j.Join))
	s.w.blobs[j.Blob] = j
	return round.JoinVerified{VerifiedJoin: j}
}

func (s *story) join(letters string) {
	s.t.Helper()
	for _, l := range letters {
		s.must("join of "+string(l), s.joinEvent(string(l), s.state.Round.Number))
	}
}

func (s *story) updateEvent(letter string) round.UpdateVerified {
	id := s.id(letter)
	u := update{oneHot: id, Submission: federation.Submission{V: 1, Manifest: s.state.Round.Manifest, Hospital: id,
		Segments: []federation.Digest{s.w.digest("segment")}}}
	u.blob = federation.Sum(federation.Encode(u.Submission))
	s.w.blobs[u.blob], s.held[id] = u, u
	return round.UpdateVerified{Submission: u.Submission, Blob: u.blob}
}

func (s *story) update(letters string) {
	s.t.Helper()
	for _, l := range letters {
		s.must("update of "+string(l), s.updateEvent(string(l)))
	}
}

func (s *story) readyEvent(letter, unreadable string) round.ReadyVerified {
	a := federation.Ready{V: 1, Manifest: s.state.Round.Manifest, Candidate: s.state.Round.Candidate,
		Custodian: s.id(letter), Unreadable: append([]federation.HospitalID{}, s.ids(unreadable)...)}
	return round.ReadyVerified{Ready: a, Blob: federation.Sum(federation.Encode(a))}
}

// ready takes words such as "A", or "B-DE": B cannot read D and E.
func (s *story) ready(words ...string) {
	s.t.Helper()
	for _, word := range words {
		custodian, unreadable, _ := strings.Cut(word, "-")
		s.must("ready of "+word, s.readyEvent(custodian, unreadable))
	}
}

func (s *story) vouchEvent(letter string) round.VouchVerified {
	v := federation.Vouch{V: 1, Manifest: s.state.Round.Manifest, Candidate: s.state.Round.Candidate, Hospital: s.id(letter)}
	return round.VouchVerified{Vouch: v, Blob: federation.Sum(federation.Encode(v))}
}

func (s *story) vouch(letters string) {
	s.t.Helper()
	for _, l := range letters {
		s.must("vouch of "+string(l), s.vouchEvent(string(l)))
	}
}

func (s *story) sendEvent(letter string, wrong bool) round.SendVerified {
	a := shareSums{wrong: wrong, Send: federation.Send{V: 1, Manifest: s.state.Round.Manifest, Candidate: s.state.Round.Candidate, Custodian: s.id(letter)}}
	a.blob = federation.Sum(federation.Encode(a.Send))
	s.w.blobs[a.blob] = a
	return round.SendVerified{Send: a.Send, Blob: a.blob}
}

func (s *story) send(letters string) {
	s.t.Helper()
	for _, l := range letters {
		s.must("send of "+string(l), s.sendEvent(string(l), false))
	}
}

// derivedEvent is what a custodian computes from the last outcome, or something else.
func (s *story) derivedEvent(letter string, same bool) round.DerivedVerified {
	o := s.state.Outcome
	d := federation.Derived{V: 1, Round: o.Round, Manifest: o.Manifest, Candidate: o.Candidate, Custodian: s.id(letter), Plan: o.Plan,
		Result: o.Result, Version: o.Version, Snapshot: o.Snapshot, Parameters: o.Parameters, Steps: o.Steps}
	if !same {
		d.Snapshot = federation.Sum([]byte("another snapshot"))
	}
	return round.DerivedVerified{Derived: d, Blob: federation.Sum(federation.Encode(d))}
}

// derive has those of the letters whose part it is derive what the log says.
func (s *story) derive(letters string) {
	s.t.Helper()
	for _, l := range letters {
		if slices.Contains(s.state.Outcome.Owing, s.id(string(l))) {
			s.must("derivation of "+string(l), s.derivedEvent(string(l), true))
		}
	}
}

func (s *story) declineEvent(letter, role string) round.DeclineVerified {
	ev := round.DeclineVerified{Blob: s.w.digest("decline"), Decline: federation.Decline{V: 1, Header: s.state.Round.Header,
		Hospital: s.id(letter), Role: role, Reason: "the policy says no"}}
	s.w.blobs[ev.Blob] = ev.Decline
	return ev
}

func (s *story) burnEvent(letter string, manifest federation.Digest) round.BurnVerified {
	b := federation.Burn{V: 1, Manifest: manifest, Custodian: s.id(letter)}
	blob := federation.Sum(federation.Encode(b))
	s.w.blobs[blob] = b
	return round.BurnVerified{Burn: b, Blob: blob}
}

// gather opens a round and fixes its manifest with everyone named.
func (s *story) gather(letters string) {
	s.t.Helper()
	s.own(round.TaskOpen)
	s.join(letters)
	s.own(round.TaskManifest)
}

// stand runs a whole round with everyone named, up to where custodians may send.
func (s *story) stand(letters string) {
	s.t.Helper()
	s.gather(letters)
	s.update(letters)
	s.own(round.TaskPropose)
	s.ready(strings.Split(letters, "")...)
}

// publishes ends a round that stands, with the share sums of as many as are needed.
func (s *story) publishes(letters string) {
	s.t.Helper()
	s.send(letters)
	s.own(round.TaskPublish)
}

// statistics runs the first round.
func (s *story) statistics(letters string) {
	s.t.Helper()
	s.stand(letters)
	s.publishes(letters[:s.w.charter.Threshold])
	s.derive(letters)
	s.text.Reset() // the story begins after it
	fmt.Fprintf(&s.text, "%s version 1 is there\n", start.Add(s.w.now).Format("15:04:05"))
}

var digestText = regexp.MustCompile(`[0-9a-f]{64}`)

// tell compares the transcript with testdata and replays the log.
func (s *story) tell(name string) {
	s.t.Helper()
	replayed := round.State{Charter: s.w.charter}
	for _, b := range s.log {
		e, err := round.DecodeEntry(b)
		if err != nil {
			s.t.Fatalf("decode %s: %v", b, err)
		}
		if replayed, err = round.Apply(replayed, e); err != nil {
			s.t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(replayed, s.state) {
		s.t.Errorf("replay gives another state:\n%s", cmp.Diff(s.state, replayed))
	}
	text := s.text.String()
	for i, m := range s.w.charter.Members {
		text = strings.ReplaceAll(text, string(m.ID), string(rune('A'+i)))
	}
	text = digestText.ReplaceAllStringFunc(text, func(d string) string { return d[:12] })
	file := filepath.Join("testdata", name+".txt")
	if *updateGolden {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(text, "\n")); diff != "" {
		s.t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func (s *story) entries() []round.Entry {
	var list []round.Entry
	for _, b := range s.log {
		e, err := round.DecodeEntry(b)
		if err != nil {
			s.t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

// expect compares S of the round with letters.
func (s *story) expect(phase round.Phase, set string) {
	s.t.Helper()
	if s.state.Round.Phase != phase || (set != "" && !slices.Equal(s.state.Round.S[0], s.ids(set))) {
		s.t.Errorf("round %d is %s with S %v (%s), want %s with %s", s.state.Round.Number, s.state.Round.Phase,
			s.state.Round.S, s.state.Round.Reason, phase, set)
	}
}
