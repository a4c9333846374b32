package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"atrium/client/participant"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/privacy/envelope"
)

// Recovery is what Recover took up.
type Recovery struct {
	JoinBefore uint64 `json:"join_before"` // number of the latest Join in the journal
	Join       uint64 `json:"join"`        // and after
	Answers    int    `json:"answers"`     // that the journal lacked
	Burned     int    `json:"burned"`      // manifests that will never be answered
}

// Recover makes the journal of a hospital that was restored from a backup safe to go on
// with. It asks the coordinator for everything that this hospital signed and the log
// names, verifies its own signatures, takes up the answers that the journal lacks, burns
// every manifest that is not answered, and lets the daemon start again. The daemon must be
// ended: [ErrLocked].
//
// A coordinator that withholds an answer makes this hospital forget it. Who runs the
// federation is trusted with that much, once; design §1 says so.
func Recover(ctx context.Context, cfg Config) (r Recovery, err error) {
	if err := cfg.Validate(); err != nil {
		return r, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Daemon{cfg: cfg, self: cfg.self()}
	d.journal, d.state, err = openJournal(cfg.State, participant.State{Self: d.self, Charter: cfg.Charter})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if d.cfg.Charter, err = inForce(cfg.State, cfg.Charter, d.state); err != nil {
		return r, err
	}
	d.state.Charter = d.cfg.Charter
	if d.link, err = dial(d.cfg, 0); err != nil {
		return r, err
	}
	counter, answers, open, err := d.ownWord(ctx)
	if err != nil {
		return r, fmt.Errorf("recover: %w", err)
	}
	r.JoinBefore = d.state.Counter
	entries, err := participant.Recover(d.state, counter, answers, open)
	if err != nil {
		return r, fmt.Errorf("recover: %w", err)
	}
	if err := d.persist(participant.Pin(d.state)); err != nil {
		return r, err
	}
	if err := d.persist(entries, nil); err != nil {
		return r, err
	}
	for _, e := range entries {
		switch e.Kind {
		case participant.Recalled:
			r.Answers++
		case participant.Burned:
			r.Burned++
		}
	}
	r.Join = d.state.Counter
	if err := os.Remove(filepath.Join(cfg.State, FrozenFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return r, err
	}
	return r, syncDir(cfg.State)
}

// ownWord asks for what this hospital signed: the number of its latest Join, its answers,
// and the manifest of the round under way.
func (d *Daemon) ownWord(ctx context.Context) (counter uint64, answers []participant.Recall, open federation.Digest, err error) {
	stream, err := d.link.api.Recall(ctx, &atriumpb.RecallRequest{Federation: d.link.federation})
	if err != nil {
		return 0, nil, open, err
	}
	var asked []participant.Recall
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return counter, append(answers, asked...), open, nil // answers that are there go first
		}
		if err == nil {
			switch m.GetKind() {
			case "join":
				var join federation.Join
				join, err = own[federation.Join](d, m.GetSigned())
				counter = join.Counter
			case "answer":
				var a federation.Send
				if a, err = own[federation.Send](d, m.GetSigned()); err != nil || d.remembers(a, m.GetSigned()) {
					break
				}
				var answer participant.Recall
				answer, err = d.recallAnswer(ctx, a.Manifest, a.Submitters, federation.Sum(m.GetSigned()))
				answers = append(answers, answer)
			case "asked":
				var answer participant.Recall
				if answer, err = d.recallAsked(ctx, m.GetSigned()); err == nil && !answer.Manifest.IsZero() {
					asked = append(asked, answer)
				}
			case "burn":
				_, err = own[federation.Burn](d, m.GetSigned()) // what is not answered is burned anyway
			case "manifest":
				open, err = asDigest(m.GetSigned())
			default:
				err = unknownTask(m.GetKind())
			}
		}
		if err != nil {
			return 0, nil, open, err
		}
	}
}

// own verifies that this hospital signed a message.
func own[T envelope.Message](d *Daemon, signed []byte) (T, error) {
	m, _, err := envelope.DecodeMessage[T](d.cfg.Charter, signed)
	if err == nil && m.From() != d.self {
		err = fmt.Errorf("signed by %s: %w", m.From(), ErrDishonest)
	}
	return m, err
}

// recallAsked is an S that this hospital may have answered though the log has no answer:
// it counts as answered, and instead of the answer, whose bytes are gone, S is named. It
// is zero when the journal knows what it did.
func (d *Daemon) recallAsked(ctx context.Context, digests []byte) (participant.Recall, error) {
	if len(digests) != 2*len(federation.Digest{}) {
		return participant.Recall{}, fmt.Errorf("manifest and S of %d bytes: %w", len(digests), ErrDishonest)
	}
	manifest, submitters := federation.Digest(digests[:32]), federation.Digest(digests[32:])
	if m, _ := d.state.Recall(manifest); m.Answered() || m.Burned {
		return participant.Recall{}, nil
	}
	return d.recallAnswer(ctx, manifest, submitters, submitters)
}

// remembers reports whether the journal has this very answer. That it saw a later log than
// the answer's says nothing: a restored daemon looks at the log before it freezes.
func (d *Daemon) remembers(a federation.Send, signed []byte) bool {
	m, _ := d.state.Recall(a.Manifest)
	return m.Answer == federation.Sum(signed)
}

// recallAnswer fetches what an answer names by digest.
func (d *Daemon) recallAnswer(ctx context.Context, manifest, submitters, message federation.Digest) (participant.Recall, error) {
	fail := func(err error) (participant.Recall, error) {
		return participant.Recall{}, fmt.Errorf("answer under manifest %s: %w", manifest.Short(), err)
	}
	raw, err := d.link.fetch(ctx, manifest, federation.MaxManifestBytes)
	if err != nil {
		return fail(err)
	}
	m, err := federation.DecodeManifest(raw)
	if err != nil {
		return fail(err)
	}
	if raw, err = d.link.fetch(ctx, m.Header, federation.MaxPlanBytes); err != nil {
		return fail(err)
	}
	h, err := federation.DecodeHeader(raw)
	if err != nil {
		return fail(err)
	}
	if raw, err = d.link.fetch(ctx, submitters, federation.MaxManifestBytes); err != nil {
		return fail(err)
	}
	s, err := federation.DecodeCandidate(raw)
	if err != nil {
		return fail(err)
	}
	return participant.Recall{Manifest: manifest, Round: h.Round, Questions: h.Questions, Message: message,
		Submitters: submitters, Set: s.Set()}, nil
}
