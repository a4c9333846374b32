package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"google.golang.org/grpc/connectivity"

	"atrium/client/participant"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/privacy/envelope"
)

// Recovery is what Recover took up.
type Recovery struct {
	JoinBefore uint64 `json:"join_before"` // number of the latest Join in the journal
	Join       uint64 `json:"join"`        // and after
	Sends      int    `json:"sends"`       // that the journal lacked
}

// Recover makes the journal of a hospital that was restored from a backup safe to go on
// with. It asks the coordinator for everything that this hospital signed and the log
// names, verifies its own signatures, takes up the sends that the journal lacks, and lets the
// daemon start again, which stays silent in every round that it had joined. The daemon must
// be ended: [ErrLocked].
//
// A coordinator that withholds a send and the Joins after the backup makes this hospital
// forget it. Who runs the federation is trusted with that much, once; design §1 says so.
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
	if d.link, err = dial(d.cfg, 0, func(connectivity.State) {}); err != nil {
		return r, err
	}
	counter, sends, err := d.ownWord(ctx)
	if err != nil {
		return r, fmt.Errorf("recover: %w", err)
	}
	r.JoinBefore = d.state.Counter
	entries, err := participant.Recover(d.state, counter, sends)
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
		if e.Kind == participant.Recalled {
			r.Sends++
		}
	}
	r.Join = d.state.Counter
	if err := os.Remove(filepath.Join(cfg.State, FrozenFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return r, err
	}
	return r, syncDir(cfg.State)
}

// ownWord asks for what this hospital signed: the number of its latest Join and its sends.
func (d *Daemon) ownWord(ctx context.Context) (counter uint64, sends []participant.Recall, err error) {
	stream, err := d.link.api.Recall(ctx, &atriumpb.RecallRequest{Federation: d.link.federation})
	if err != nil {
		return 0, nil, err
	}
	var stood []participant.Recall
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return counter, append(sends, stood...), nil // what is known to be sent goes first
		}
		if err == nil {
			switch m.GetKind() {
			case "join":
				var join federation.Join
				join, err = own[federation.Join](d, m.GetSigned())
				counter = join.Counter
			case "send":
				var s federation.Send
				if s, err = own[federation.Send](d, m.GetSigned()); err != nil || d.remembers(s, m.GetSigned()) {
					break
				}
				var sent participant.Recall
				sent, err = d.recallSend(ctx, s, federation.Sum(m.GetSigned()))
				sends = append(sends, sent)
			case "stood":
				var sent participant.Recall
				if sent, err = d.recallStood(ctx, m.GetSigned()); err == nil && !sent.Manifest.IsZero() {
					stood = append(stood, sent)
				}
			case "burn":
				_, err = own[federation.Burn](d, m.GetSigned()) // it sends nothing there anyway
			default:
				err = unknownTask(m.GetKind())
			}
		}
		if err != nil {
			return 0, nil, err
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

// remembers reports whether the journal has this very Send. That it saw a later log than the
// message's says nothing: a restored daemon looks at the log before it freezes.
func (d *Daemon) remembers(s federation.Send, signed []byte) bool {
	m, _ := d.state.Recall(s.Manifest)
	return m.Sent == federation.Sum(signed)
}

// recallSend fetches what a Send names by digest.
func (d *Daemon) recallSend(ctx context.Context, s federation.Send, message federation.Digest) (participant.Recall, error) {
	fail := func(err error) (participant.Recall, error) {
		return participant.Recall{}, fmt.Errorf("send under manifest %s: %w", s.Manifest.Short(), err)
	}
	raw, err := d.link.fetch(ctx, s.Manifest, federation.MaxManifestBytes)
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
	if raw, err = d.link.fetch(ctx, s.Candidate, federation.MaxManifestBytes); err != nil {
		return fail(err)
	}
	c, err := federation.DecodeCandidate(raw)
	if err != nil {
		return fail(err)
	}
	return participant.Recall{Manifest: s.Manifest, Round: h.Round, Questions: h.Questions, Message: message,
		Candidate: s.Candidate, Set: federation.SetDigest(c.Set())}, nil
}

// recallStood is a candidate that this hospital may have sent for though the log has no Send:
// it counts as sent for, and instead of the Send, whose bytes are gone, the candidate is
// named. It is zero when the journal knows what it did.
func (d *Daemon) recallStood(ctx context.Context, digests []byte) (participant.Recall, error) {
	if len(digests) != 2*len(federation.Digest{}) {
		return participant.Recall{}, fmt.Errorf("manifest and candidate of %d bytes: %w", len(digests), ErrDishonest)
	}
	manifest, candidate := federation.Digest(digests[:32]), federation.Digest(digests[32:])
	if m, _ := d.state.Recall(manifest); m.HasSent() || m.Burned {
		return participant.Recall{}, nil
	}
	return d.recallSend(ctx, federation.Send{Manifest: manifest, Candidate: candidate}, candidate)
}
