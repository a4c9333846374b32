package round

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"atrium/coordinator/federation"
)

// Refusals. Each leaves the state as it was.
var (
	ErrWrongPhase   = errors.New("not in this phase")
	ErrStale        = errors.New("of another round")
	ErrUnknown      = errors.New("not a member of the charter")
	ErrNotInCohort  = errors.New("not in the cohort")
	ErrNotCustodian = errors.New("not a custodian of this round")
	ErrConflict     = errors.New("other bytes were accepted before")
	ErrNotDue       = errors.New("not due")
	ErrMismatch     = errors.New("does not follow from the state")
	// ErrOldJournal: the hospital signed a later Join than this one. Its journal was
	// restored from a backup, or another daemon runs with its identity.
	ErrOldJournal = errors.New("the hospital's journal is older than what it signed")
	ErrTooMany    = errors.New("too many in one round")
)

// Decide answers an event with the entries to commit. No entries and no error means
// that the event changes nothing: it was applied before, or came too late to matter.
func Decide(s State, ev Event, w When) ([]Entry, error) { return ev.decide(s, w) }

func entry(kind EntryKind, w When) Entry { return Entry{V: 1, Kind: kind, Time: w.stamp()} }

func one(e Entry) ([]Entry, error) { return []Entry{e}, nil }

func (s State) entry(kind EntryKind, w When) Entry {
	e := entry(kind, w)
	e.Round = s.Round.Number
	return e
}

func (ev Started) decide(s State, w When) ([]Entry, error) {
	if s.Genesis {
		return nil, fmt.Errorf("start federation: %w", ErrConflict)
	}
	if ev.Charter != s.Charter.Digest() {
		return nil, fmt.Errorf("start federation: charter %s: %w", ev.Charter.Short(), ErrMismatch)
	}
	e := entry(Genesis, w)
	e.Blob, e.Attachment = ev.Charter, ev.Countersignatures
	return one(e)
}

func (ev Led) decide(s State, w When) ([]Entry, error) {
	if !s.Genesis {
		return nil, fmt.Errorf("lead before genesis: %w", ErrWrongPhase)
	}
	e := entry(Lead, w)
	e.Epoch = s.Epoch + 1
	return one(e)
}

func (ev PlanAccepted) decide(s State, w When) ([]Entry, error) {
	switch {
	case !s.Genesis:
		return nil, fmt.Errorf("plan %s before genesis: %w", ev.Plan.Short(), ErrWrongPhase)
	case ev.Plan == s.Plan:
		return nil, nil
	case s.Round.Phase.Running():
		return nil, fmt.Errorf("plan %s: round %d is %s: %w", ev.Plan.Short(), s.Round.Number, s.Round.Phase, ErrWrongPhase)
	}
	if err := ev.Origin.fits(s); err != nil {
		return nil, fmt.Errorf("plan %s: %w: %w", ev.Plan.Short(), ErrStale, err)
	}
	e := entry(PlanSet, w)
	e.Blob, e.Schedule, e.Rule, e.Origin = ev.Plan, &ev.Schedule, ev.Rule, ev.Origin
	return one(e)
}

// due reports whether Pending lists a coordinator's task of this kind for the round.
func due(s State, w When, kind TaskKind) (Task, error) {
	for _, t := range OwnTasks(s, w) {
		if t.Kind == kind {
			return t, nil
		}
	}
	return Task{}, fmt.Errorf("%s: round %d is %s: %w", kind, s.Round.Number, s.Round.Phase, ErrNotDue)
}

func (ev HeaderStored) decide(s State, w When) ([]Entry, error) {
	t, err := due(s, w, TaskOpen)
	if err != nil {
		return nil, err
	}
	h := ev.Header
	if h.Round != t.Round || h.Kind != t.RoundKind || h.Part != t.Month || h.Plan != s.Plan || h.Digest() != s.OnBase(h).Digest() || h.Charter != s.Charter.Digest() ||
		h.UpdateSeconds != t.Seconds || h.Digest() != ev.Blob {
		return nil, fmt.Errorf("open round %d: header %w", h.Round, ErrMismatch)
	}
	if reason := s.AnsweredBefore(h.Kind, h.Questions); reason != "" {
		e := entry(Finish, w)
		e.Reason = reason
		return one(e)
	}
	if !slices.Equal(h.Releases, s.ToRelease(h.Kind, h.Questions)) {
		return nil, fmt.Errorf("open round %d: what it needs released: %w", h.Round, ErrMismatch)
	}
	e := entry(Open, w)
	e.Round, e.RoundKind, e.Blob, e.Seconds, e.Part = h.Round, h.Kind, ev.Blob, h.UpdateSeconds, h.Part
	e.Questions = federation.Sum(federation.Encode(h.Questions))
	e.Deadline = w.after(s.Schedule.GatherSeconds)
	return one(e)
}

func (ev JoinVerified) decide(s State, w When) ([]Entry, error) {
	if _, ok := s.Charter.Member(ev.Hospital); !ok {
		return nil, fmt.Errorf("join of %s: %w", ev.Hospital, ErrUnknown)
	}
	if ev.Header != s.Round.Header {
		return nil, fmt.Errorf("join of %s: header %s: %w", ev.Hospital, ev.Header.Short(), ErrStale)
	}
	known, ok := s.Round.Join(ev.Hospital)
	if ok && known.Blob == ev.Blob {
		return nil, nil
	}
	if s.Round.Phase != Gathering {
		return nil, fmt.Errorf("join of %s: round %d is %s: %w", ev.Hospital, s.Round.Number, s.Round.Phase, ErrWrongPhase)
	}
	if latest, ok := s.LatestJoin(ev.Hospital); ok && ev.Counter <= latest.Counter {
		return nil, fmt.Errorf("join %d of %s after its join %d: %w", ev.Counter, ev.Hospital, latest.Counter, ErrOldJournal)
	}
	if known.Times >= MaxJoins {
		return nil, fmt.Errorf("join %d of %s: %w", known.Times+1, ev.Hospital, ErrTooMany)
	}
	if !ev.Capability.Valid() {
		return nil, fmt.Errorf("join of %s: capability %+v: %w", ev.Hospital, ev.Capability, ErrMismatch)
	}
	if !ev.Lacks.Valid() {
		return nil, fmt.Errorf("join of %s: it lacks columns %q: %w", ev.Hospital, string(ev.Lacks), ErrMismatch)
	}
	if err := federation.CheckReleases(ev.Releases); err != nil {
		return nil, fmt.Errorf("join of %s: %w: %w", ev.Hospital, ErrMismatch, err)
	}
	if _, custodian := s.Charter.Point(ev.Hospital); custodian != (len(ev.Key) > 0) {
		return nil, fmt.Errorf("join of %s: a custodian brings a key, no one else does: %w", ev.Hospital, ErrMismatch)
	}
	e := s.entry(Join, w)
	e.Hospital, e.Blob, e.Instance, e.Counter, e.Capability, e.Lacks = ev.Hospital, ev.Blob, ev.Incarnation, ev.Counter, ev.Capability, ev.Lacks
	e.Releases = ev.Releases
	return one(e)
}

func (ev ManifestStored) decide(s State, w When) ([]Entry, error) {
	m := ev.Manifest
	if m.Header != s.Round.Header {
		return nil, fmt.Errorf("manifest %s: %w", m.Digest.Short(), ErrStale)
	}
	t, err := due(s, w, TaskManifest)
	if err != nil {
		return nil, err
	}
	same := len(m.Joins) == len(s.Round.Joined) && slices.EqualFunc(m.Groups, t.Cohort, slices.Equal)
	for _, j := range m.Joins {
		known, ok := s.Round.Join(j.Hospital)
		same = same && ok && known.Blob == j.Blob
	}
	if !same {
		return nil, fmt.Errorf("manifest %s: joins changed meanwhile: %w", m.Digest.Short(), ErrMismatch)
	}
	if !slices.Equal(m.Masked, t.Masked) {
		return nil, fmt.Errorf("manifest %s: masked columns changed meanwhile: %w", m.Digest.Short(), ErrMismatch)
	}
	sameDeclines := slices.EqualFunc(m.Declines, t.Declines, func(d federation.VerifiedDecline, h Held) bool { return d.Hospital == h.Hospital && d.Blob == h.Blob })
	if !sameDeclines || m.Pin != t.Pin {
		return nil, fmt.Errorf("manifest %s: declines or pin changed meanwhile: %w", m.Digest.Short(), ErrMismatch)
	}
	if !slices.EqualFunc(m.Certificates, t.Burnt, func(c federation.BurnCertificate, a Attempt) bool { return c.Manifest == a.Manifest }) {
		return nil, fmt.Errorf("manifest %s: burn certificates changed meanwhile: %w", m.Digest.Short(), ErrMismatch)
	}
	if err := federation.CheckManifest(s.rules(), s.Round.Header, m); err != nil {
		return nil, err
	}
	e := s.entry(Collect, w)
	e.Blob, e.Pinned, e.Deadline = m.Digest, gathered(s).pin != nil, w.after(s.updateTime())
	return one(e)
}

func (ev UpdateVerified) decide(s State, w When) ([]Entry, error) {
	u, r := ev.Submission, s.Round
	if u.Manifest != r.Manifest || r.Phase == Abandoned || r.Phase == Closed {
		return nil, fmt.Errorf("update of %s for manifest %s: %w", u.Hospital, u.Manifest.Short(), ErrStale)
	}
	if have, ok := r.Update(u.Hospital); ok {
		if have == ev.Blob {
			return nil, nil
		}
		return nil, fmt.Errorf("update of %s: %w", u.Hospital, ErrConflict)
	}
	if have, ok := find(r.Discarded, u.Hospital); ok {
		if have == ev.Blob {
			return nil, nil
		}
		return nil, fmt.Errorf("update of %s: %w", u.Hospital, ErrConflict)
	}
	if !r.InCohort(u.Hospital) {
		return nil, fmt.Errorf("update of %s: %w", u.Hospital, ErrNotInCohort)
	}
	e := s.entry(Update, w)
	if r.Phase != Collecting {
		e.Kind, e.Reason = Discard, "it came after the candidate was fixed"
	}
	e.Hospital, e.Blob = u.Hospital, ev.Blob
	return one(e)
}

func (ev DeclineVerified) decide(s State, w When) ([]Entry, error) {
	r := s.Round
	_, member := s.Charter.Member(ev.Hospital)
	_, custodian := s.Charter.Point(ev.Hospital)
	switch {
	case !member:
		return nil, fmt.Errorf("decline of %s: %w", ev.Hospital, ErrUnknown)
	case ev.Header != r.Header || !r.Phase.Running():
		return nil, fmt.Errorf("decline of %s: %w", ev.Hospital, ErrStale)
	case ev.Role != federation.RoleUpdate && ev.Role != federation.RoleCustodian:
		return nil, fmt.Errorf("decline of %s: role %q: %w", ev.Hospital, ev.Role, ErrMismatch)
	case ev.Role == federation.RoleCustodian && !custodian:
		return nil, fmt.Errorf("decline of %s: %w", ev.Hospital, ErrNotCustodian)
	case len(ev.Reason) > federation.MaxReason:
		return nil, fmt.Errorf("decline of %s: reason of %d bytes: %w", ev.Hospital, len(ev.Reason), ErrMismatch)
	case r.HasDeclined(ev.Hospital, ev.Role):
		return nil, nil
	}
	if _, ok := r.Update(ev.Hospital); ok && ev.Role == federation.RoleUpdate && !s.owesVouch(ev.Hospital) {
		return nil, fmt.Errorf("decline of %s: its update was acknowledged: %w", ev.Hospital, ErrConflict)
	}
	e := s.entry(Declined, w)
	e.Hospital, e.Role, e.Reason, e.Blob = ev.Hospital, ev.Role, ev.Reason, ev.Blob
	return one(e)
}

func (ev RoundDefeated) decide(s State, w When) ([]Entry, error) {
	t, err := due(s, w, TaskAbandon)
	if err != nil || t.Round != ev.Round {
		return nil, err
	}
	e := s.abandon(t.Reason, w)
	var out []federation.HospitalID
	if s.Round.Phase == Opening {
		out = choose(s, s.leftSilent(w)).dropped
	}
	if s.leftShort(out, w.past(s.Round.Deadline)) != nil {
		e.Short, e.Hospitals = true, out
	}
	return one(e)
}

// abandon ends the round and sets the earliest time of the next: at once after the
// first failure in a row, then 1, 2, 4 … up to 64 seconds later; later where it would ask
// again who declined. A month leaves people time to act before each try. An evaluation that is
// skipped delays nothing.
func (s State) abandon(reason string, w When) Entry {
	e := s.entry(Abandon, w)
	if reason == "" {
		reason = "no reason was given"
	}
	if e.Skipped = s.skips(); e.Skipped {
		e.Reason = clip(s.skipWords(reason))
		return e
	}
	e.Reason = clip(reason)
	delay := time.Duration(0)
	switch {
	case !s.Round.Part.Whole():
		delay = s.pauseAfter(s.Failures)
	case s.Failures > 0:
		delay = min(time.Second<<min(s.Failures-1, 6), MaxDelay)
	}
	e.Deadline = federation.FormatTime(w.clock().Add(max(delay, s.askAgain())))
	return e
}

func (ev PlanEnded) decide(s State, w When) ([]Entry, error) {
	t, err := due(s, w, TaskFinish)
	if err != nil {
		return nil, err
	}
	e := entry(Finish, w)
	e.Reason = t.Reason
	return one(e)
}

// clip bounds a reason and keeps it valid text: an entry that is not would not decode.
func clip(reason string) string {
	return strings.ToValidUTF8(reason[:min(len(reason), federation.MaxReason)], "")
}
