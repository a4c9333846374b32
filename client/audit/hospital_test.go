package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"

	"atrium/aggregation/fixedpoint"
	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/privacy/shamir"
	"atrium/storage"
	"atrium/storage/roundlog"
)

// hospital is what a daemon holds in memory.
type hospital struct {
	name        string
	index       int
	id          federation.HospitalID
	key         ed25519.PrivateKey
	incarnation federation.Digest
	counter     uint64
	hpke        *envelope.PrivateKey
	shares      map[federation.Digest][]uint16 // by submission
	late        *sealed                        // kept until it is too late
}

// sealed is an update ready to be submitted.
type sealed struct {
	blob      []byte
	envelopes [][]byte
}

func newHospital(name string, index int) (*hospital, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	return &hospital{name: name, index: index, key: key, id: federation.NewHospitalID("test", public),
		incarnation: federation.Sum([]byte("incarnation of " + name))}, err
}

func message[T envelope.Message](h *hospital, m T) []byte {
	return federation.Encode(envelope.SignMessage(h.key, "test", m))
}

// turn does what a hospital owes, as the script has it, and says if it did anything.
func (w *world) turn(ctx context.Context, h *hospital) (bool, error) {
	v := w.c.View()
	if v == nil {
		return false, nil
	}
	if h.late != nil && v.State.Round.Phase == round.Opening {
		w.c.Presence().Connected(h.id)
		err := w.c.SubmitUpdate(ctx, h.id, h.late.blob, h.late.envelopes)
		h.late = nil
		return true, err
	}
	for _, t := range round.TasksFor(v.State, h.id, h.incarnation) {
		f := w.script(h, t)
		if f == nil {
			continue
		}
		err := f(ctx, h, v, t)
		if stale(err) {
			err = nil
		}
		return true, err
	}
	return false, nil
}

type act func(context.Context, *hospital, *coordinator.View, round.Task) error

// script says what a hospital does about a task; nil is nothing.
func (w *world) script(h *hospital, t round.Task) act {
	switch number := t.Round; {
	case t.Kind == round.TaskUpdate && number == 2 && h.index >= 2:
		return w.decline(federation.RoleUpdate, "fewer than 10 eligible records")
	case t.Kind == round.TaskUpdate && number == 4 && h.name == "delta":
		if h.late == nil {
			return w.vanish
		}
		return nil
	case t.Kind == round.TaskSend && number == 3 && h.index >= 2:
		return w.decline(federation.RoleCustodian, "the daemon restarted")
	case t.Kind == round.TaskSend && number == 3 && h.index == 1:
		return nil
	case t.Kind == round.TaskSend && number != 6 && h.index == 3: // three are enough; a fourth would race with the end
		return nil
	}
	return map[round.TaskKind]act{round.TaskJoin: w.join, round.TaskUpdate: w.update, round.TaskReady: w.ready,
		round.TaskSend: w.send, round.TaskBurn: w.burn, round.TaskDerive: w.derive}[t.Kind]
}

func (w *world) join(ctx context.Context, h *hospital, v *coordinator.View, _ round.Task) (err error) {
	if h.hpke, err = envelope.NewKey(); err != nil {
		return err
	}
	h.counter++
	line, err := roundlog.Cosign(v.HeaderCheckpoint, string(h.id), h.key, start)
	if err != nil {
		return err
	}
	return w.c.Join(ctx, h.id, message(h, federation.Join{V: 1, Header: v.State.Round.Header, Hospital: h.id, Cosignature: string(line),
		Counter: h.counter, Incarnation: h.incarnation, Key: h.hpke.Public()}))
}

func (w *world) decline(role, reason string) act {
	return func(ctx context.Context, h *hospital, v *coordinator.View, _ round.Task) error {
		return w.c.Decline(ctx, h.id, message(h, federation.Decline{V: 1, Header: v.State.Round.Header, Hospital: h.id, Role: role, Reason: reason}))
	}
}

func (w *world) burn(ctx context.Context, h *hospital, v *coordinator.View, _ round.Task) error {
	return w.c.Burn(ctx, h.id, message(h, federation.Burn{V: 1, Manifest: v.State.Round.Manifest, Custodian: h.id}))
}

func (w *world) update(ctx context.Context, h *hospital, v *coordinator.View, _ round.Task) error {
	s, err := w.seal(ctx, h, v)
	if err != nil {
		return err
	}
	return w.c.SubmitUpdate(ctx, h.id, s.blob, s.envelopes)
}

// vanish uploads everything but the signature, and then the connection is gone.
func (w *world) vanish(ctx context.Context, h *hospital, v *coordinator.View, _ round.Task) (err error) {
	h.late, err = w.seal(ctx, h, v)
	w.c.Presence().Disconnected(h.id)
	w.wait()
	return err
}

// vector is what a hospital sends in a round: arbitrary, but the same in every run.
func vector(h federation.Header, index int) []float64 {
	v := make([]float64, h.Format.Count())
	for i := range v {
		x := float64((i*7+index*13+int(h.Round)*5)%20) / 40
		switch h.Kind {
		case federation.Train:
			v[i] = x - 0.25
		case federation.Evaluate: // below
		default:
			v[i] = []float64{40, 20 + x, 12 + x}[i%3]
		}
	}
	if n := len(v); h.Kind == federation.Train {
		v[n-3], v[n-2], v[n-1] = float64(30+index), 0, 0
	}
	if h.Kind == federation.Evaluate {
		tp, fp, tn, fn := float64(3+index), 2., float64(4+index), 2.
		copy(v, []float64{tp, fp, tn, fn})
		positives, negatives := v[4:], v[4+federation.HistogramBins:]
		positives[900], positives[100], negatives[800], negatives[50] = tp, fn, fp, tn
	}
	return v
}

// seal encrypts an update, uploads its segments and signs it.
func (w *world) seal(ctx context.Context, h *hospital, v *coordinator.View) (*sealed, error) {
	r := v.State.Round
	header, err := federation.DecodeHeader(v.Header)
	if err != nil {
		return nil, err
	}
	raw, err := storage.GetBlob(ctx, w.c.Bucket(), r.Manifest, federation.MaxManifestBytes)
	if err != nil {
		return nil, err
	}
	m, err := envelope.OpenManifest(w.charter, raw)
	if err != nil {
		return nil, err
	}
	params, err := opening.Parameters(header.Ring)
	if err != nil {
		return nil, err
	}
	fields := make([]uint32, header.Format.Count())
	if _, err := header.Format.Quantise(fields, vector(header, h.index), fixedpoint.NewRounding([32]byte{byte(h.index)})); err != nil {
		return nil, err
	}
	key, err := params.NewKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	s := federation.Submission{V: 1, Manifest: m.Digest, Hospital: h.id, Group: 0}
	var segments [][]byte
	for _, part := range params.Segments(opening.SegmentTarget) {
		from, to := params.Fields(part.First, part.Last)
		wire, err := params.EncryptBlocks(nil, part.First, part.Last, federation.PublicSeed(m.Digest, 0), key, fields[from:to], rand.Reader)
		if err != nil {
			return nil, err
		}
		segments, s.Segments = append(segments, wire), append(s.Segments, federation.Sum(wire))
	}
	for i, data := range segments {
		if _, err := w.c.PutSegment(ctx, h.id, r.Header, s.UpdateRoot(), i, s.Segments[i], data); err != nil {
			return nil, err
		}
	}
	shares, err := shamir.Share(key.Coefficients(), w.charter.Threshold, len(w.charter.Custodians), rand.Reader)
	if err != nil {
		return nil, err
	}
	out := &sealed{}
	for i, id := range w.charter.Custodians {
		e, err := envelope.Seal(m.Custodian(id), envelope.AssociatedData{Manifest: m.Digest, UpdateRoot: s.UpdateRoot(), From: h.id, To: id}, shamir.Marshal(shares[i]))
		if err != nil {
			return nil, err
		}
		out.envelopes, s.Envelopes = append(out.envelopes, e), append(s.Envelopes, federation.Sum(e))
	}
	out.blob = message(h, s)
	return out, nil
}

func (w *world) ready(ctx context.Context, h *hospital, v *coordinator.View, _ round.Task) error {
	header, err := federation.DecodeHeader(v.Header)
	if err != nil {
		return err
	}
	h.shares = map[federation.Digest][]uint16{}
	err = w.c.EnvelopesFor(ctx, h.id, v.State.Round.Candidate, func(signed, sealed []byte) error {
		s, digest, err := envelope.DecodeMessage[federation.Submission](w.charter, signed)
		if err != nil {
			return err
		}
		plain, err := h.hpke.Open(envelope.AssociatedData{Manifest: s.Manifest, UpdateRoot: s.UpdateRoot(), From: s.Hospital, To: h.id}, sealed)
		if err != nil {
			return err
		}
		h.shares[digest], err = shamir.Unmarshal(plain, 1<<header.Ring.LogN)
		return err
	})
	if err != nil {
		return err
	}
	head, line, err := h.cosign(v.CandidateCheckpoint)
	if err != nil {
		return err
	}
	return w.c.Ready(ctx, h.id, message(h, federation.Ready{V: 1, Manifest: v.State.Round.Manifest, Candidate: v.State.Round.Candidate, Custodian: h.id,
		Asks: federation.AsksDigest(header.Questions, federation.SetDigest(v.State.Round.S)), Unreadable: []federation.HospitalID{},
		Checkpoint: head, Cosignature: line}))
}

// cosign signs a published checkpoint.
func (h *hospital) cosign(note []byte) (federation.TreeHead, string, error) {
	line, err := roundlog.Cosign(note, string(h.id), h.key, start)
	if err != nil {
		return federation.TreeHead{}, "", err
	}
	kept, err := roundlog.ParseKept(note)
	return federation.TreeHead{Size: kept.Size, Root: federation.Digest(kept.Root)}, string(line), err
}

// derive takes the coordinator's word; gamma says of version 3 that it derived another.
func (w *world) derive(ctx context.Context, h *hospital, v *coordinator.View, _ round.Task) error {
	o := v.State.Outcome
	d := federation.Derived{V: 1, Round: o.Round, Manifest: o.Manifest, Candidate: o.Candidate, Custodian: h.id, Plan: o.Plan,
		Result: o.Result, Version: o.Version, Snapshot: o.Snapshot, Parameters: o.Parameters, Steps: o.Steps}
	if o.Round == 6 && h.name == "gamma" {
		d.Snapshot[7] ^= 1
	}
	return w.c.Derived(ctx, h.id, message(h, d))
}

func (w *world) send(ctx context.Context, h *hospital, v *coordinator.View, _ round.Task) error {
	r := v.State.Round
	raw, err := storage.GetBlob(ctx, w.c.Bucket(), r.Candidate, federation.MaxManifestBytes)
	if err != nil {
		return err
	}
	list, err := federation.DecodeCandidate(raw)
	if err != nil {
		return err
	}
	var sum []uint16
	for _, m := range list.Groups[0] {
		share, ok := h.shares[m.Submission]
		if !ok {
			return fmt.Errorf("no share of %s", m.Hospital)
		}
		if sum == nil {
			sum = make([]uint16, len(share))
		}
		if err := shamir.AddTo(sum, share); err != nil {
			return err
		}
	}
	if r.Number == 6 && h.index == 0 {
		sum[17] ^= 1
	}
	head, line, err := h.cosign(v.Checkpoint)
	if err != nil {
		return err
	}
	wire := shamir.Marshal(sum)
	return w.c.SendShares(ctx, h.id, message(h, federation.Send{V: 1, Manifest: r.Manifest, Candidate: r.Candidate, Custodian: h.id,
		ShareSums: []federation.Digest{federation.Sum(wire)}, Checkpoint: head, Cosignature: line}), [][]byte{wire})
}
