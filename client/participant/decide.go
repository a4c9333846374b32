package participant

import (
	"errors"
	"fmt"
	"slices"

	"atrium/aggregation/fixedpoint"
	"atrium/coordinator/federation"
)

// Refusals. Each leaves the state as it was.
var (
	ErrRollback      = errors.New("the coordinator shows an older log than before, or another")
	ErrNotJoined     = errors.New("this run of the daemon did not join that header")
	ErrNotOurs       = errors.New("the manifest does not carry our own join")
	ErrRestarted     = errors.New("the one-round key is gone: the daemon restarted since it joined")
	ErrConflict      = errors.New("other bytes were fixed before")
	ErrBurned        = errors.New("this manifest was burned")
	ErrSent          = errors.New("share sums were sent under this manifest")
	ErrAnswered      = errors.New("this question was answered before")
	ErrNotWithin     = errors.New("the candidate is not within the one before it")
	ErrNotReady      = errors.New("this custodian holds no share sums for that candidate")
	ErrBase          = errors.New("this version was neither derived here nor signed by enough custodians")
	ErrStart         = errors.New("what the round starts from does not follow from the plan and the versions known here")
	ErrFork          = errors.New("another version of that number is known here")
	ErrLine          = errors.New("evaluations of the same records are of one set of hospitals, that of the first in the epoch")
	ErrRecovered     = errors.New("the journal was lost since this hospital joined that round")
	ErrNotMember     = errors.New("not in the cohort or not a custodian")
	ErrEpoch         = errors.New("of another charter epoch than this hospital's memory")
	ErrClosed        = errors.New("this hospital closed the epoch")
	ErrOtherQuestion = errors.New("it is to be released, and was about another question")
)

func entry(kind EntryKind, d federation.Digest) Entry { return Entry{V: 1, Kind: kind, Digest: d} }

// Start begins a run of the daemon: every key of the runs before is gone.
func Start(incarnation federation.Digest) []Entry { return []Entry{entry(Started, incarnation)} }

// See records a checkpoint whose signature and whose consistency with s.Seen were
// verified.
func See(s State, head federation.TreeHead) ([]Entry, error) {
	switch {
	case head.Size < s.Seen.Size:
		return nil, nil // older, and a prefix of what we know
	case head.Size == s.Seen.Size && head.Root != s.Seen.Root:
		return nil, fmt.Errorf("checkpoint of size %d: %w", head.Size, ErrRollback)
	case head == s.Seen:
		return nil, nil
	}
	e := entry(Saw, federation.Digest{})
	e.Head = head
	return []Entry{e}, nil
}

// JoinHeader decides whether to join. The plan is the one that the hospital's policy
// approved; the header's checkpoint was passed to See before.
func JoinHeader(s State, plan federation.Plan, h federation.Header) ([]Entry, error) {
	if err := federation.CheckHeader(s.Charter, plan, h); err != nil {
		return nil, err
	}
	if !s.Closed.IsZero() {
		return nil, fmt.Errorf("join round %d: %w", h.Round, ErrClosed)
	}
	if h.Checkpoint.Size > s.Seen.Size {
		return nil, fmt.Errorf("join round %d: its checkpoint was not verified: %w", h.Round, ErrRollback)
	}
	if err := s.checkReleases(h); err != nil {
		return nil, err
	}
	e := entry(Joined, h.Digest())
	e.Counter, e.Questions, e.Round = s.Counter+1, h.Questions, h.Round
	e.Base, e.Plan, e.RoundKind, e.Part = BaseOf(h), h.Plan, h.Kind, h.About()
	e.Newest, e.Start = h.Newest, plan.Start
	return []Entry{e}, nil
}

// checkReleases refuses a header that would have people release what this hospital knows to be
// about something else.
func (s State) checkReleases(h federation.Header) error {
	for _, d := range h.Releases {
		if about, known := s.about(d, h.Questions); known && !about {
			return fmt.Errorf("join round %d: manifest %s: %w", h.Round, d.Short(), ErrOtherQuestion)
		}
	}
	return nil
}

// about reports whether a manifest was about one of these questions, as far as this hospital knows.
func (s State) about(manifest federation.Digest, questions []string) (about, known bool) {
	if m, ok := s.Recall(manifest); ok && len(m.Questions) > 0 {
		return federation.Overlap(m.Questions, questions), true
	}
	i := slices.IndexFunc(s.Bound, func(b Bound) bool { return b.Manifest == manifest })
	return i >= 0 && federation.Overlap(s.Bound[i].Questions, questions), i >= 0
}

// Releases lists which of the manifests that people here released for a plan a Join of its round
// carries: those that were about the question of the round, and of those that this hospital
// does not know the ones that the header asks for. What a round does not ask about it is not to
// open, nor to free from the guard.
func Releases(s State, h federation.Header, allowed []federation.Digest) []federation.Digest {
	return slices.DeleteFunc(slices.Clone(allowed), func(d federation.Digest) bool {
		about, known := s.about(d, h.Questions)
		return known && !about || !known && !slices.Contains(h.Releases, d)
	})
}

// AcceptManifest decides whether to take part under a manifest: it must name the
// header that this run joined, carry this run's own Join, hold for the charter, and ask
// whom the plan's draw asks. plan and h are those of JoinHeader. earlier is the round to
// which the manifest is pinned; nil where it is to none.
func AcceptManifest(s State, plan federation.Plan, h federation.Header, m federation.VerifiedManifest, earlier *federation.Earlier) ([]Entry, error) {
	if s.Live.Header.IsZero() {
		return nil, fmt.Errorf("manifest %s: %w", m.Digest.Short(), ErrNotJoined)
	}
	if m.Header != s.Live.Header {
		return nil, fmt.Errorf("manifest %s of header %s, not of %s: %w", m.Digest.Short(), m.Header.Short(), s.Live.Header.Short(), ErrNotJoined)
	}
	own := slices.IndexFunc(m.Joins, func(j federation.VerifiedJoin) bool { return j.Hospital == s.Self })
	if own < 0 || m.Joins[own].Incarnation != s.Live.Incarnation || m.Joins[own].Counter != s.Counter {
		return nil, fmt.Errorf("manifest %s: %w", m.Digest.Short(), ErrNotOurs)
	}
	if err := federation.CheckManifest(s.Live.Part.Rules(s.Charter), s.Live.Header, m); err != nil {
		return nil, err
	}
	if err := s.checkCohort(plan, h, m, earlier); err != nil {
		return nil, err
	}
	if known, ok := s.Recall(m.Digest); ok {
		if known.Burned {
			return nil, fmt.Errorf("manifest %s: %w", m.Digest.Short(), ErrBurned)
		}
		if s.Live.Manifest == m.Digest {
			return nil, nil
		}
	}
	if !s.Live.Manifest.IsZero() { // one header, one manifest
		return nil, fmt.Errorf("manifest %s after %s for one header: %w", m.Digest.Short(), s.Live.Manifest.Short(), ErrConflict)
	}
	e := entry(Verified, m.Digest)
	e.Round, e.Questions, e.Form, e.Released = h.Round, s.Live.Questions, form(h, m), m.Released(s.Charter)
	for _, c := range m.Certificates {
		e.Certified = append(e.Certified, c.Manifest)
	}
	return []Entry{e}, nil
}

// form names how a round asks its question: on which base, of which records, by which plan, in
// which format, with which columns masked. Versions with other statistics can have the same
// parameters.
func form(h federation.Header, m federation.VerifiedManifest) federation.Digest {
	return federation.Sum(federation.Encode(struct {
		Base   federation.Digest    `json:"base"`
		Plan   federation.Digest    `json:"plan"`
		Format fixedpoint.Format    `json:"format"`
		Masked []federation.Columns `json:"masked"`
		Part   federation.Month     `json:"part"`
	}{h.Base, h.Plan, h.Format, m.Masked, h.Part}))
}

// MaySubmit reports whether this hospital is to send an update under a manifest: it
// verified it in this run and is in its cohort.
func MaySubmit(s State, m federation.VerifiedManifest) error {
	fail := func(err error) error { return fmt.Errorf("submit under manifest %s: %w", m.Digest.Short(), err) }
	if s.Live.Manifest != m.Digest || m.Digest.IsZero() {
		return fail(ErrRestarted)
	}
	if _, ok := m.Cohort(s.Self); !ok {
		return fail(ErrNotMember)
	}
	if memory, _ := s.Recall(m.Digest); memory.Burned {
		return fail(ErrBurned)
	}
	if err := s.concluded(m.Digest); err != nil {
		return fail(err)
	}
	return nil
}

// Submit fixes the one submission of a manifest; ciphertext, envelopes and signature
// are on disk.
func Submit(s State, manifest, submission federation.Digest) ([]Entry, error) {
	m, ok := s.Recall(manifest)
	switch {
	case ok && m.Submission == submission && !submission.IsZero(): // also after a restart
		return nil, nil
	case !ok || s.Live.Manifest != manifest || submission.IsZero():
		return nil, fmt.Errorf("submit under manifest %s: %w", manifest.Short(), ErrRestarted)
	case !m.Submission.IsZero():
		return nil, fmt.Errorf("submit under manifest %s: %w", manifest.Short(), ErrConflict)
	}
	e := entry(Submitted, manifest)
	e.Message = submission
	return []Entry{e}, nil
}
