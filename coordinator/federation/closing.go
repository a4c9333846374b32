package federation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Closing is a custodian's last word on an epoch: its one-round keys are erased, it
// answers nothing more under a manifest of that epoch, and these are the answers that it
// gave. It is therefore a burn of every manifest that it does not list.
type Closing struct {
	V         int        `json:"v"`       // 1
	Charter   Digest     `json:"charter"` // of the epoch that it closes
	Custodian HospitalID `json:"custodian"`
	Answered  []Answered `json:"answered"` // sorted by their canonical bytes, distinct
}

// Answered says that some custodian answered these questions for one set of hospitals.
// It holds in every later epoch.
type Answered struct {
	Manifest  Digest   `json:"manifest"`
	Questions []string `json:"questions"`
	Set       Digest   `json:"set"` // SetDigest
	// Released is the one other set that may be answered, since the hospitals of Set
	// approved it (see Release); zero for none.
	Released Digest `json:"released,omitzero"`
}

// Allows reports whether another sum may be opened beside this one: of another question, or
// of those hospitals that a release names.
func (a Answered) Allows(questions []string, set Digest) bool {
	return (!a.Released.IsZero() && set == a.Released) || !Overlap(a.Questions, questions)
}

// Overlap reports whether two rounds share a question. Statistics of a federation are opened
// once: by the name of a feature nobody can tell whether hospitals read it from the same
// column, so any two statistics are one question.
func Overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(q string) bool {
		return slices.ContainsFunc(b, func(other string) bool { return q == other || (isStatistic(q) && isStatistic(other)) })
	})
}

const statisticPrefix = "statistics/"

func isStatistic(question string) bool { return strings.HasPrefix(question, statisticPrefix) }

// From names who must have signed the closing statement.
func (c Closing) From() HospitalID { return c.Custodian }

// DecodeClosing reads canonical bytes. CheckClosing judges the values.
func DecodeClosing(b []byte) (Closing, error) { return Decode[Closing](b, MaxClosingBytes) }

// ErrClosing wraps every refusal of a closing statement.
var ErrClosing = errors.New("closing statement refused")

// VerifiedClosing is a Closing whose signature was checked.
type VerifiedClosing struct {
	Closing
	Blob Digest // of the Signed statement
}

// CheckClosing judges a closing statement of the epoch of charter c.
func CheckClosing(c Charter, closing Closing) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: of %s: %s", ErrClosing, closing.Custodian, fmt.Sprintf(format, args...))
	}
	_, custodian := c.Point(closing.Custodian)
	switch {
	case closing.V != 1:
		return fail("format %d: this program reads 1", closing.V)
	case closing.Charter != c.Digest():
		return fail("it closes charter %s, not %s", closing.Charter.Short(), c.Digest().Short())
	case !custodian:
		return fail("no custodian of epoch %d", c.Epoch)
	}
	for i, a := range closing.Answered {
		if a.Manifest.IsZero() || a.Set.IsZero() || len(a.Questions) == 0 {
			return fail("answer %d is incomplete", i)
		}
		if i > 0 && CompareAnswered(closing.Answered[i-1], a) >= 0 {
			return fail("answer %d is repeated or out of order", i)
		}
	}
	return nil
}

// CompareAnswered orders answers by their canonical bytes.
func CompareAnswered(a, b Answered) int { return slices.Compare(Encode(a), Encode(b)) }
