package federation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Closing is a custodian's last word on an epoch: its one-round keys are erased, it
// sends nothing more under a manifest of that epoch, and these are the questions that it
// sent on. It is therefore a burn of every manifest that it does not name.
type Closing struct {
	V         int        `json:"v"`       // 1
	Charter   Digest     `json:"charter"` // of the epoch that it closes
	Custodian HospitalID `json:"custodian"`
	Answered  []Answered `json:"answered"` // of that epoch, sorted by their canonical bytes, distinct
	Before    []Answered `json:"before"`   // what the epoch began with, the same
	Random    Digest     `json:"random"`   // 32 random bytes, from which what must not be chosen can be drawn
}

// Answered says that some custodian sent on these questions for one set of hospitals.
// It holds in every later epoch.
type Answered struct {
	Manifest  Digest   `json:"manifest"`
	Candidate Digest   `json:"candidate"`
	Questions []string `json:"questions"`
	Set       Digest   `json:"set"` // SetDigest
	// Proof shows in a closing statement that the question could be sent on.
	Proof *Proof `json:"proof,omitempty"`
}

// Proof shows that a candidate had what a custodian sends under: the readies of t
// custodians, sorted by signer, and the Send of the custodian that shows it. The Send is
// missing where its journal was lost: it then names what it may have sent.
type Proof struct {
	Readies []Signed `json:"readies"`
	Send    *Signed  `json:"send,omitempty"`
}

// VerifiedProof is a Proof whose signatures were checked.
type VerifiedProof struct {
	Readies []Ready
	Send    *Send
}

// bare is a without what shows it: what the next epoch remembers.
func (a Answered) bare() Answered {
	a.Proof = nil
	return a
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
	Blob   Digest           // of the Signed statement
	Proofs []*VerifiedProof // in the order of Answered, nil where there is none
}

// CheckClosing judges a closing statement of the epoch of charter c.
func CheckClosing(c Charter, closing Closing) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: of %s: %w", ErrClosing, closing.Custodian, fmt.Errorf(format, args...))
	}
	_, custodian := c.Point(closing.Custodian)
	switch {
	case closing.V != 1:
		return fail("format %d: this program reads 1", closing.V)
	case closing.Charter != c.Digest():
		return fail("it closes charter %s, not %s", closing.Charter.Short(), c.Digest().Short())
	case !custodian:
		return fail("no custodian of epoch %d", c.Epoch)
	case closing.Random.IsZero():
		return fail("no random bytes")
	case c.Epoch == 1 && len(closing.Before) > 0:
		return fail("answers of an epoch before the first")
	}
	for i, a := range closing.Before {
		if a.Proof != nil {
			return fail("answer %d of an earlier epoch carries a proof", i)
		}
	}
	if err := checkAnswered(closing.Answered); err != nil {
		return fail("%w", err)
	}
	if err := checkAnswered(closing.Before); err != nil {
		return fail("earlier epochs: %w", err)
	}
	return nil
}

func checkAnswered(list []Answered) error {
	for i, a := range list {
		if a.Manifest.IsZero() || a.Candidate.IsZero() || a.Set.IsZero() || len(a.Questions) == 0 {
			return fmt.Errorf("answer %d is incomplete", i)
		}
		if i > 0 && CompareAnswered(list[i-1], a) >= 0 {
			return fmt.Errorf("answer %d is repeated or out of order", i)
		}
	}
	return nil
}

// CheckProofs judges what a closing statement shows for what it names, after CheckClosing:
// t distinct custodians were ready for exactly this candidate, for this set and these
// questions, and the Send is the closing custodian's own.
func CheckProofs(c Charter, closing VerifiedClosing) error {
	if len(closing.Proofs) != len(closing.Answered) {
		return fmt.Errorf("%w: of %s: %d proofs were verified for %d answers", ErrClosing, closing.Custodian, len(closing.Proofs), len(closing.Answered))
	}
	for i, p := range closing.Proofs {
		if p == nil {
			continue
		}
		if err := checkProof(c, closing.Custodian, closing.Answered[i], *p); err != nil {
			return fmt.Errorf("%w: of %s: answer %d: %w", ErrClosing, closing.Custodian, i, err)
		}
	}
	return nil
}

func checkProof(c Charter, closer HospitalID, a Answered, p VerifiedProof) error {
	asks := AsksDigest(a.Questions, a.Set)
	for i, r := range p.Readies {
		_, custodian := c.Point(r.Custodian)
		switch {
		case !custodian || (i > 0 && compareIDs(p.Readies[i-1].Custodian, r.Custodian) >= 0):
			return fmt.Errorf("ready of %s: no custodian, repeated or out of order", r.Custodian)
		case r.V != 1 || r.Manifest != a.Manifest || r.Candidate != a.Candidate || len(r.Unreadable) > 0:
			return fmt.Errorf("ready of %s is for candidate %s of manifest %s, or a complaint", r.Custodian, r.Candidate.Short(), r.Manifest.Short())
		case r.Asks != asks:
			return fmt.Errorf("ready of %s: it was for other questions or another set", r.Custodian)
		}
	}
	if len(p.Readies) < c.Threshold {
		return fmt.Errorf("%d readies: %d must be ready", len(p.Readies), c.Threshold)
	}
	if s := p.Send; s != nil && (s.V != 1 || s.Custodian != closer || s.Manifest != a.Manifest || s.Candidate != a.Candidate) {
		return fmt.Errorf("send of %s for candidate %s of manifest %s", s.Custodian, s.Candidate.Short(), s.Manifest.Short())
	}
	return nil
}

// CompareAnswered orders answers by their canonical bytes.
func CompareAnswered(a, b Answered) int { return slices.Compare(Encode(a), Encode(b)) }
