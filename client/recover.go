package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"google.golang.org/grpc/connectivity"

	"atrium/client/participant"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/privacy/envelope"
	"atrium/storage/models"
)

// Recovery is what Recover took up.
type Recovery struct {
	JoinBefore uint64 `json:"join_before"` // number of the latest Join in the journal
	Join       uint64 `json:"join"`        // and after
	Sends      int    `json:"sends"`       // that the journal lacked
}

// Recover makes the journal of a hospital that was restored from a backup safe to go on
// with. It asks the coordinator for everything that this hospital signed and the log
// names, verifies its own signatures, takes up the sends that the journal lacks, with what guard
// and line of evaluations remember of them, and lets the daemon start again, which stays silent in every round that it had joined. The daemon must
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

// lostSend is a Send that the journal lacks, with the header of its round.
type lostSend struct {
	participant.Recall
	header federation.Header
}

// ownWord asks for what this hospital signed: the number of its latest Join and its sends.
func (d *Daemon) ownWord(ctx context.Context) (counter uint64, sends []participant.Recall, err error) {
	stream, err := d.link.api.Recall(ctx, &atriumpb.RecallRequest{Federation: d.link.federation})
	if err != nil {
		return 0, nil, err
	}
	var sent, stood []lostSend
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			sends, err = d.sketched(ctx, append(sent, stood...)) // what is known to be sent goes first
			return counter, sends, err
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
				var lost lostSend
				lost, err = d.recallSend(ctx, s, federation.Sum(m.GetSigned()))
				sent = append(sent, lost)
			case "stood":
				var lost lostSend
				if lost, err = d.recallStood(ctx, m.GetSigned()); err == nil && !lost.Manifest.IsZero() {
					stood = append(stood, lost)
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

// sketched adds the sketches of bases, for the newest sends: the guard remembers no more.
func (d *Daemon) sketched(ctx context.Context, list []lostSend) (sends []participant.Recall, err error) {
	rounds := []uint64{}
	for _, s := range list {
		rounds = append(rounds, s.Round)
	}
	slices.Sort(rounds)
	for _, s := range list {
		if s.Opens != nil && (len(rounds) <= federation.MaxOpened || s.Round >= rounds[len(rounds)-federation.MaxOpened]) {
			if s.Opens.Sketch, err = d.sketchOf(ctx, s.header); err != nil {
				return nil, fmt.Errorf("send under manifest %s: %w", s.Manifest.Short(), err)
			}
		}
		sends = append(sends, s.Recall)
	}
	return sends, nil
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
func (d *Daemon) recallSend(ctx context.Context, s federation.Send, message federation.Digest) (lostSend, error) {
	fail := func(err error) (lostSend, error) {
		return lostSend{}, fmt.Errorf("send under manifest %s: %w", s.Manifest.Short(), err)
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
	if err == nil && c.Manifest != s.Manifest {
		err = fmt.Errorf("candidate %s is of manifest %s: %w", s.Candidate.Short(), c.Manifest.Short(), ErrDishonest)
	}
	if err != nil {
		return fail(err)
	}
	return lostSend{participant.Recall{Manifest: s.Manifest, Round: h.Round, Epoch: h.CharterEpoch, Questions: h.Questions, Message: message,
		Candidate: s.Candidate, Set: federation.SetDigest(c.Set()),
		Opens: participant.Opens(d.state, federation.Opened{Manifest: s.Manifest, Kind: h.Kind, Part: h.About(), Set: c.Set()})}, h}, nil
}

// sketchOf makes the sketch of the base of a round again, where the guard needs it: the header
// names the parameters. Without it the guard would let a sum through that the journal would not
// have; so a base that cannot be had leaves the hospital frozen.
func (d *Daemon) sketchOf(ctx context.Context, h federation.Header) (*federation.Sketch, error) {
	if !d.cfg.Charter.Guards(h.Kind) || h.Base.IsZero() {
		return nil, nil
	}
	if known := d.state.SketchOf(h.Parameters); known != nil {
		return known, nil
	}
	raw, err := d.link.fetch(ctx, h.Base, models.MaxSnapshotBytes)
	if err != nil {
		return nil, fmt.Errorf("base of round %d: %w", h.Round, err)
	}
	base, err := models.Decode(raw)
	if err != nil {
		return nil, fmt.Errorf("base of round %d: %w", h.Round, err)
	}
	if models.ParametersDigest(base) != h.Parameters {
		return nil, fmt.Errorf("base of round %d has other parameters than its header names: %w", h.Round, ErrDishonest)
	}
	return opening.Sketch(d.cfg.Charter, base), nil
}

// recallStood is a candidate that this hospital may have sent for though the log has no Send:
// it counts as sent for, and instead of the Send, whose bytes are gone, the candidate is
// named. It is zero when the journal knows what it did.
func (d *Daemon) recallStood(ctx context.Context, digests []byte) (lostSend, error) {
	if len(digests) != 2*len(federation.Digest{}) {
		return lostSend{}, fmt.Errorf("manifest and candidate of %d bytes: %w", len(digests), ErrDishonest)
	}
	manifest, candidate := federation.Digest(digests[:32]), federation.Digest(digests[32:])
	if m, _ := d.state.Recall(manifest); m.HasSent() || m.Burned {
		return lostSend{}, nil
	}
	return d.recallSend(ctx, federation.Send{Manifest: manifest, Candidate: candidate}, candidate)
}
