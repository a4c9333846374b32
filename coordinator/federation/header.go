package federation

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"atrium/aggregation/fixedpoint"
)

// Ring fixes the encryption of a round's vectors; privacy/he gives it its meaning
// and its bounds, and holds the same fields under the name Literal.
type Ring struct {
	LogN           int      `json:"log_n"`
	Primes         []uint64 `json:"primes"`
	Bits           int      `json:"bits"`
	Width          int      `json:"width"`
	PerCoefficient int      `json:"per_coefficient"`
	LogDelta       int      `json:"log_delta"`
	GroupSize      int      `json:"group_size"`
	Count          int      `json:"count"`
}

// Header is what is fixed when a round opens.
type Header struct {
	V            int               `json:"v"` // 1
	Federation   string            `json:"federation"`
	Round        uint64            `json:"round"`
	Kind         RoundKind         `json:"kind"`
	Questions    []string          `json:"questions"`
	Plan         Digest            `json:"plan"`
	Version      uint64            `json:"version"`    // of the base; 0: none, the round is the first of a line
	Base         Digest            `json:"base"`       // its snapshot; zero: none
	Parameters   Digest            `json:"parameters"` // its parameters; zero: none
	Newest       uint64            `json:"newest"`     // version of the federation, also where the base is another; what follows has the next number
	Steps        uint64            `json:"steps"`      // train rounds that the base went through: where a rate that changes over rounds is
	CharterEpoch uint64            `json:"charter_epoch"`
	Charter      Digest            `json:"charter"`
	Threshold    int               `json:"threshold"`
	MaxHostile   int               `json:"max_hostile"`
	MinCohort    int               `json:"min_cohort"`
	Format       fixedpoint.Format `json:"format"`
	Ring         Ring              `json:"ring"`
	Checkpoint   TreeHead          `json:"checkpoint"`
	GatherBy     string            `json:"gather_by"` // RFC 3339, UTC

	MaxHostileMembers int `json:"max_hostile_members"`

	Part Month `json:"part,omitempty"` // that an evaluation is about; "": all records

	UpdateSeconds int `json:"update_seconds,omitempty"` // for updates, where the plan leaves it to the machine

	// Releases are the manifests under which its question was answered, sorted: the round waits
	// until every hospital released each. Custodians go by what they remember themselves.
	Releases []Digest `json:"releases,omitempty"`
}

// TreeHead is the size and root of the log that a message refers to.
type TreeHead struct {
	Size int64  `json:"size"`
	Root Digest `json:"root"`
}

// ErrHeader wraps every refusal of a header.
var ErrHeader = errors.New("header refused")

// StepsAfter is how many train rounds the version went through that a round makes.
func (h Header) StepsAfter() uint64 {
	if h.Kind != Train {
		return 0
	}
	return h.Steps + 1
}

// Digest names the header.
func (h Header) Digest() Digest { return Sum(Encode(h)) }

// DecodeHeader reads canonical bytes. CheckHeader judges the values.
func DecodeHeader(b []byte) (Header, error) { return Decode[Header](b, MaxPlanBytes) }

// CheckHeader reports whether h is what the pinned charter and the plan imply: the
// same check at the coordinator, at every hospital and at the auditor. What it does
// not check is the ring (he.Choose), the base's bytes, clips that follow from it
// (CheckClips) and the checkpoint.
func CheckHeader(c Charter, p Plan, h Header) error {
	if err := checkHeader(c, p, h); err != nil {
		return fmt.Errorf("round %d: %w: %w", h.Round, ErrHeader, err)
	}
	return nil
}

func checkHeader(c Charter, p Plan, h Header) error {
	clips, err := h.Clips(p)
	if err != nil {
		return err
	}
	format := p.FormatAt(h.Kind, clips)
	switch {
	case h.V != 1:
		return fmt.Errorf("format %d: this program reads 1", h.V)
	case h.Federation != c.Federation:
		return fmt.Errorf("federation %q: pinned charter is of %q", h.Federation, c.Federation)
	case h.Round < 1:
		return errors.New("round 0")
	case h.Kind != Statistics && h.Kind != Train && h.Kind != Evaluate:
		return fmt.Errorf("kind %q", h.Kind)
	case h.CharterEpoch != c.Epoch || h.Charter != c.Digest():
		return fmt.Errorf("charter %s of epoch %d: pinned is %s of epoch %d", h.Charter.Short(), h.CharterEpoch, c.Digest().Short(), c.Epoch)
	case h.Threshold != c.Threshold || h.MaxHostile != c.MaxHostile || h.MaxHostileMembers != c.MaxHostileMembers || h.MinCohort != c.MinCohort:
		return fmt.Errorf("t, f, h, K = %d, %d, %d, %d: the charter says %d, %d, %d, %d", h.Threshold, h.MaxHostile, h.MaxHostileMembers, h.MinCohort,
			c.Threshold, c.MaxHostile, c.MaxHostileMembers, c.MinCohort)
	case h.Plan != p.Digest():
		return fmt.Errorf("plan %s: approved is %s", h.Plan.Short(), p.Digest().Short())
	case h.Part != "" && (h.Kind != Evaluate || !p.Schedule.Months.Has(h.Part)):
		return fmt.Errorf("%s of month %.20q: the plan evaluates no such month", h.Kind, string(h.Part))
	case !slices.Equal(h.Questions, p.QuestionsOf(h.Kind, h.Parameters, h.Part)):
		return errors.New("questions are not those of the kind, plan and base")
	case h.Format.Bits != format.Bits || !slices.Equal(h.Format.Segments, format.Segments):
		return errors.New("fixed-point format is not the plan's")
	case h.Ring.Count != format.Count() || h.Ring.Bits != format.Bits || h.Ring.GroupSize != c.LargestGroup():
		return fmt.Errorf("ring for %d fields of %d bits and %d hospitals: want %d, %d and %d",
			h.Ring.Count, h.Ring.Bits, h.Ring.GroupSize, format.Count(), format.Bits, c.LargestGroup())
	case h.Checkpoint.Size < 1:
		return errors.New("checkpoint of an empty log")
	}
	if err := p.Start.check(h); err != nil {
		return err
	}
	if err := CheckRule(c, p); err != nil && h.Kind == Train {
		return err
	}
	if err := errors.Join(p.checkUpdateTime(h), CheckReleases(h.Releases)); err != nil {
		return err
	}
	_, err = ParseTime(h.GatherBy)
	return err
}

// Clips returns the clip of each tensor of Plan.Shared in a train round, nil where the
// plan fixes it, and refuses those beyond the plan's bounds.
func (h Header) Clips(p Plan) ([]float64, error) {
	if h.Kind != Train || !p.Privacy.AutoClip() {
		return nil, nil
	}
	var clips []float64
	for i, t := range p.Shared() {
		if i >= len(h.Format.Segments) {
			return nil, fmt.Errorf("fixed-point format has no tensor %s", t.Name)
		}
		clip := h.Format.Segments[i].Clip
		if !(clip >= p.Privacy.ClipLeast && clip <= p.Privacy.Clip) {
			return nil, fmt.Errorf("clip %v of tensor %s: the plan allows %v to %v", clip, t.Name, p.Privacy.ClipLeast, p.Privacy.Clip)
		}
		clips = append(clips, clip)
	}
	return clips, nil
}

// Next is the number of the version that follows from the round, if one does.
func (h Header) Next() uint64 { return h.Newest + 1 }

// Restarts reports whether the base is an older version than the newest: then what the plan's
// rule and its hospitals keep from round to round begins anew.
func (h Header) Restarts() bool { return !h.Base.IsZero() && h.Version < h.Newest }

// CheckClips reports whether a header that CheckHeader passed has the clips that follow
// from its base: one for each tensor of Plan.Shared, nil where the plan fixes them.
func CheckClips(p Plan, h Header, clips []float64) error {
	have, err := h.Clips(p)
	if err == nil && have != nil && !slices.Equal(have, clips) {
		err = fmt.Errorf("clips %v: from version %d follow %v", have, h.Version, clips)
	}
	if err != nil {
		return fmt.Errorf("round %d: %w: %w", h.Round, ErrHeader, err)
	}
	return nil
}

// FormatTime writes t as every message does: RFC 3339 in UTC with milliseconds.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// ParseTime reads what FormatTime wrote and nothing else.
func ParseTime(s string) (time.Time, error) {
	t, err := time.Parse("2006-01-02T15:04:05.000Z", s)
	if err != nil || FormatTime(t) != s {
		return time.Time{}, fmt.Errorf("time %q: want RFC 3339 in UTC with milliseconds", s)
	}
	return t, nil
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}
