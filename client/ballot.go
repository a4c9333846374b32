package client

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"atrium/client/participant"
	"atrium/coordinator/federation"
	"atrium/privacy/envelope"
	"atrium/storage/local"
)

// Ballot is the terms of the next charter before a person at a hospital. It holds the
// state directory, so that no daemon runs meanwhile: the one-round keys of a custodian
// that closes an epoch are gone with its process.
type Ballot struct {
	dir      string
	identity ed25519.PrivateKey
	journal  *journal
	state    participant.State
	before   federation.Charter
	terms    federation.Charter
}

// ErrBallot: the terms cannot be approved here.
var ErrBallot = errors.New("terms cannot be approved here")

// OpenBallot reads the state directory of a hospital and checks that terms may follow the
// charter in force there. configured is the charter of its configuration. [ErrLocked]
// while the daemon runs, [ErrFrozen], [ErrBallot].
func OpenBallot(dir string, configured federation.Charter, identity ed25519.PrivateKey, terms federation.Charter) (*Ballot, error) {
	if err := local.MakeFolders(dir); err != nil {
		return nil, err
	}
	if err := checkFrozen(dir); err != nil {
		return nil, err
	}
	j, state, err := openJournal(dir, ownState(configured, identity))
	if errors.Is(err, ErrLocked) {
		return nil, fmt.Errorf("%w: end the daemon first: who approves the next charter does nothing more under this one", err)
	}
	if err != nil {
		return nil, err
	}
	b := &Ballot{dir: dir, identity: identity, journal: j, state: state, terms: terms}
	if err := b.check(configured); err != nil {
		return nil, errors.Join(err, j.close())
	}
	return b, nil
}

func (b *Ballot) check(configured federation.Charter) error {
	var err error
	if b.before, err = inForce(b.dir, configured, b.state); err != nil {
		return err
	}
	b.state.Charter = b.before
	_, member := b.terms.Member(b.state.Self)
	_, was := b.before.Member(b.state.Self)
	switch {
	case b.terms.Federation == b.before.Federation && b.terms.Epoch <= b.before.Epoch:
		return fmt.Errorf("%w: they are for epoch %d, which is over or in force: in force here is charter %s of epoch %d", ErrBallot,
			b.terms.Epoch, b.before.Digest().Short(), b.before.Epoch)
	case b.terms.Previous != b.before.Digest() || b.terms.Epoch != b.before.Epoch+1 || b.terms.Federation != b.before.Federation:
		return fmt.Errorf("%w: they follow charter %s of epoch %d in federation %s; in force here is %s of epoch %d in %s", ErrBallot,
			b.terms.Previous.Short(), b.terms.Epoch-1, b.terms.Federation, b.before.Digest().Short(), b.before.Epoch, b.before.Federation)
	case !member && !was:
		return fmt.Errorf("%w: this hospital is in neither charter", ErrBallot)
	}
	return nil
}

// Close lets the state directory go.
func (b *Ballot) Close() error { return b.journal.close() }

// closes reports whether this hospital can close the epoch: it is a custodian of it, and
// its journal is the one that it took part with.
func (b *Ballot) closes() bool {
	return b.state.IsCustodian() && b.state.Pinned == b.before.Digest()
}

// Words says what changes, and what this hospital does by approving it.
func (b *Ballot) Words() []string {
	lines := b.before.Changes(b.terms)
	for _, w := range b.terms.Warnings() {
		lines = append(lines, "warning: "+w)
	}
	if len(federation.Added(b.before, b.terms)) > 0 {
		lines = append(lines, "Whoever is added counts towards K here when people compared its key: then add its fingerprint to peers in policy.yaml.")
	}
	_, member := b.terms.Member(b.state.Self)
	switch {
	case b.closes():
		given := 0
		for _, m := range b.state.Memory {
			if m.HasSent() && !m.Past && !m.Certified {
				given++
			}
		}
		lines = append(lines, fmt.Sprintf("By approving this hospital, a custodian, closes epoch %d for good: it says which %d sums it helped to open and sends nothing more in that epoch.", b.before.Epoch, given))
		if round, held := b.unsent(); held {
			lines = append(lines, fmt.Sprintf("It holds its share sums of round %d and sent nothing of them. If that round still runs, start the daemon again, let it send or the round end, and approve then: what it does not send before, it never will.", round))
		}
	case b.state.IsCustodian():
		lines = append(lines, "This hospital is a custodian, but its journal is new: it cannot say what it sent, and does not close the epoch.")
	}
	if !member {
		lines = append(lines, "This hospital is removed: it takes part in nothing after that.")
	}
	return lines
}

// unsent is the newest round of the epoch, where this custodian was ready in it for something
// that it did not send. Whether t were ready with it, so that it has to send before it closes,
// it hears with the task to send only.
func (b *Ballot) unsent() (round uint64, held bool) {
	if len(b.state.Memory) == 0 || !b.state.Closed.IsZero() {
		return 0, false
	}
	m := b.state.Memory[len(b.state.Memory)-1]
	return m.Round, len(m.Readies) > 0 && !m.HasSent() && !m.Burned && !m.Certified && !m.Past
}

// Approve closes the epoch here and returns what the research centre needs. It may be
// repeated, also with other terms: the closing statement stays the same.
func (b *Ballot) Approve() (federation.Consent, error) {
	c := federation.Consent{V: 1, Terms: b.terms.Digest(), Signature: envelope.CountersignTerms(b.identity, b.terms, b.state.Self)}
	if b.closes() {
		closing, err := b.close()
		if err != nil {
			return c, err
		}
		c.Closing = &closing
	}
	if err := envelope.CheckConsent(b.before, b.terms, c); err != nil {
		return c, err
	}
	return c, keepFile(b.dir, approvedFile, federation.Encode(b.terms))
}

// close fixes the one closing statement of the epoch, or returns the one that was fixed.
func (b *Ballot) close() (federation.Signed, error) {
	path := filepath.Join(b.dir, closingFile(b.before.Epoch))
	if !b.state.Closed.IsZero() {
		raw, err := os.ReadFile(path)
		if err != nil {
			return federation.Signed{}, err
		}
		if got := federation.Sum(raw); got != b.state.Closed {
			return federation.Signed{}, fmt.Errorf("%s: closing statement %s, the journal has %s: %w", path, got.Short(), b.state.Closed.Short(), ErrJournal)
		}
		return federation.Decode[federation.Signed](raw, 2*federation.MaxClosingBytes)
	}
	var random federation.Digest
	if _, err := rand.Read(random[:]); err != nil {
		return federation.Signed{}, err
	}
	closing, err := participant.ClosingOf(b.state, random, proofs(b.dir))
	if err != nil {
		return federation.Signed{}, err
	}
	signed := envelope.SignClosing(b.identity, b.before.Federation, closing)
	if err := keepFile(b.dir, closingFile(b.before.Epoch), federation.Encode(signed)); err != nil {
		return signed, err
	}
	entries, err := participant.CloseEpoch(b.state, signed.Digest())
	if err != nil {
		return signed, err
	}
	if err := b.journal.add(entries); err != nil {
		return signed, err
	}
	for _, e := range entries {
		if b.state, err = participant.Apply(b.state, e); err != nil {
			return signed, err
		}
	}
	return signed, nil
}
