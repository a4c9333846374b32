package models

import (
	"encoding/json"
	"errors"
	"fmt"

	"atrium/coordinator/federation"
)

// ErrCard: the value is no card of a version.
var ErrCard = errors.New("invalid card")

// Card says what a model version is and how it came about.
type Card struct {
	V          int               `json:"v"` // 1
	Federation string            `json:"federation"`
	Version    uint64            `json:"version"`    // its number in the federation
	Plan       federation.Digest `json:"plan"`       // the plan that was in force
	Base       federation.Digest `json:"base"`       // snapshot that it was made from; zero: none
	Snapshot   federation.Digest `json:"snapshot"`   // Digest of the snapshot
	Parameters federation.Digest `json:"parameters"` // ParametersDigest of the snapshot
	Round      uint64            `json:"round"`      // the round that made it
	Kind       string            `json:"kind"`       // of that round, or what else made it
	Cohort     int               `json:"cohort"`     // hospitals in the sum; 0: none
	LogIndex   int64             `json:"log_index"`  // of the entry that made it a version
	Charter    federation.Digest `json:"charter"`    // in force in that round
	Epsilon    *float64          `json:"epsilon"`    // spent so far; null: no differential privacy
	Time       string            `json:"time"`       // RFC 3339, UTC
}

// Validate checks every bound of a card; errors wrap ErrCard and name the field.
func (c Card) Validate() error {
	bad := func(field string, value any) error { return fmt.Errorf("%w: %s %v", ErrCard, field, value) }
	switch {
	case c.V != 1:
		return bad("format", c.V)
	case !federation.ValidName(c.Federation):
		return bad("federation", fmt.Sprintf("%.80q", c.Federation))
	case c.Version > maxCounter:
		return bad("version", c.Version)
	case c.Plan.IsZero():
		return bad("plan", "is missing")
	case c.Snapshot.IsZero():
		return bad("snapshot", "is missing")
	case c.Parameters.IsZero():
		return bad("parameters", "are missing")
	case c.Round > maxCounter:
		return bad("round", c.Round)
	case !federation.ValidName(c.Kind):
		return bad("kind", fmt.Sprintf("%.80q", c.Kind))
	case c.Cohort < 0 || c.Cohort > federation.MaxHospitals:
		return bad("cohort", c.Cohort)
	case c.LogIndex < 0 || c.LogIndex > maxCounter:
		return bad("log index", c.LogIndex)
	case c.Charter.IsZero():
		return bad("charter", "is missing")
	case c.Epsilon != nil && (!finite(*c.Epsilon) || *c.Epsilon < 0):
		return bad("epsilon", *c.Epsilon)
	}
	if _, err := federation.ParseTime(c.Time); err != nil {
		return fmt.Errorf("%w: %w", ErrCard, err)
	}
	return nil
}

// DecodeCard reads the canonical bytes of a valid card, which federation.Encode writes.
func DecodeCard(b []byte) (Card, error) {
	c, err := federation.Decode[Card](b, MaxCardBytes)
	if err != nil {
		return Card{}, err
	}
	if err := c.Validate(); err != nil {
		return Card{}, err
	}
	return c, nil
}

// SignedCard is a card with the log key's signature over its canonical bytes.
type SignedCard struct {
	Body      json.RawMessage `json:"body"` // canonical bytes of a Card
	Signature []byte          `json:"signature"`
}

// SignCard signs a card with sign, which holds the log key.
func SignCard(c Card, sign func(body []byte) []byte) (SignedCard, error) {
	if err := c.Validate(); err != nil {
		return SignedCard{}, fmt.Errorf("sign card: %w", err)
	}
	body := federation.Encode(c)
	return SignedCard{Body: body, Signature: sign(body)}, nil
}

// DecodeSignedCard reads the canonical bytes of a signed card, which federation.Encode
// writes; it does not look into the body, whose signature Open checks first.
func DecodeSignedCard(b []byte) (SignedCard, error) {
	return federation.Decode[SignedCard](b, MaxCardBytes)
}

// Open returns the card once verify, which knows the log key, accepts its signature.
func (s SignedCard) Open(verify func(body, signature []byte) error) (Card, error) {
	if err := verify(s.Body, s.Signature); err != nil {
		return Card{}, fmt.Errorf("open card: %w", err)
	}
	return DecodeCard(s.Body)
}
