package rpc_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"atrium/client"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/coordinator/setup"
	"atrium/privacy/envelope"
	"atrium/privacy/shamir"
	"atrium/storage/roundlog"
)

// puppet is a hospital that speaks the protocol with its real keys and does what a test
// says: without a script it is honest, but for an update of zeros.
type puppet struct {
	w    *world
	name string
	id   federation.HospitalID
	key  ed25519.PrivateKey
	conn *grpc.ClientConn
	api  atriumpb.CoordinatorClient

	incarnation federation.Digest
	counter     uint64
	hpke        *envelope.PrivateKey
	header      federation.Header
	manifest    federation.VerifiedManifest
	shares      map[federation.Digest][]uint16 // by submission

	// script says what to do about work instead of the honest thing; nil is the honest thing.
	script func(*atriumpb.Work) func(context.Context, *atriumpb.Work) error

	mu       sync.Mutex
	refusals []string
}

func (w *world) puppet(name string) *puppet {
	w.t.Helper()
	dir := filepath.Join(w.dir, "hospitals", name)
	identity, err := setup.LoadIdentity(filepath.Join(dir, "identity.key"))
	w.must(err)
	p := &puppet{w: w, name: name, key: identity, incarnation: federation.Sum([]byte("puppet " + name))}
	p.id = federation.NewHospitalID("cardiology", identity.Public().(ed25519.PublicKey))
	p.dial()
	w.t.Cleanup(func() { p.conn.Close() })
	return p
}

func (p *puppet) dial() {
	dir := filepath.Join(p.w.dir, "hospitals", p.name)
	cert, err := setup.LoadKeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	p.w.must(err)
	pool, err := setup.LoadPool(filepath.Join(dir, "ca.crt"))
	p.w.must(err)
	p.conn, err = grpc.NewClient("dns:///"+p.w.address, grpc.WithTransportCredentials(credentials.NewTLS(client.ClientTLS(cert, pool, "127.0.0.1"))))
	p.w.must(err)
	p.api = atriumpb.NewCoordinatorClient(p.conn)
}

// start lets the puppet play until the function that it returns is called.
func (p *puppet) start() func() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.play(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// errLater says that a script does not want a task now; it is asked again in a moment.
var errLater = errors.New("not now")

func (p *puppet) play(ctx context.Context) {
	var skip, later []string
	for ctx.Err() == nil {
		waiting, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		work, err := p.api.Poll(waiting, &atriumpb.PollRequest{Federation: "cardiology", Incarnation: p.incarnation[:], Adopted: 1 << 40,
			Skip: append(slices.Clone(later), skip...)})
		cancel()
		if err != nil {
			later = nil
			if status.Code(err) != codes.DeadlineExceeded && status.Code(err) != codes.Unavailable && ctx.Err() == nil {
				p.refused("poll", err)
			}
			continue
		}
		if work.GetId() == "" {
			continue
		}
		if len(skip) > 32 {
			skip = skip[16:]
		}
		if err := p.perform(ctx, work); err != nil && ctx.Err() == nil {
			if errors.Is(err, errLater) {
				later = append(later, work.GetId())
				continue
			}
			skip = append(skip, work.GetId())
			p.refused(work.GetKind(), err)
		}
	}
}

func (p *puppet) refused(what string, err error) {
	if err == nil {
		p.w.t.Errorf("%s: %s was taken", p.name, what)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusals = append(p.refusals, fmt.Sprintf("%s: %s: %s", what, status.Code(err), status.Convert(err).Message()))
}

// told returns what was refused so far.
func (p *puppet) told() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.refusals)
}

func (p *puppet) perform(ctx context.Context, w *atriumpb.Work) error {
	if p.script != nil {
		if act := p.script(w); act != nil {
			return act(ctx, w)
		}
	}
	return p.honest(ctx, w)
}

func (p *puppet) honest(ctx context.Context, w *atriumpb.Work) error {
	switch w.GetKind() {
	case "join":
		return p.join(ctx, w)
	case "update":
		return p.update(ctx, w)
	case "ready":
		return p.ready(ctx, w)
	case "send":
		return p.give(ctx, w)
	case "derive":
		return p.derive(ctx, w)
	case "burn":
		return p.burn(ctx, w)
	}
	return fmt.Errorf("work of kind %q", w.GetKind())
}

func signed[T envelope.Message](p *puppet, m T) []byte {
	return federation.Encode(envelope.SignMessage(p.key, "cardiology", m))
}

func (p *puppet) send(ctx context.Context, kind string, signed []byte) error {
	_, err := p.api.Send(ctx, &atriumpb.Message{Federation: "cardiology", Kind: kind, Signed: signed})
	return err
}

func (p *puppet) decline(ctx context.Context, w *atriumpb.Work, role, reason string) error {
	return p.send(ctx, "decline", signed(p, federation.Decline{V: 1, Header: federation.Sum(w.GetHeader()), Hospital: p.id, Role: role, Reason: reason}))
}

// signJoin makes a Join with the next counter and a fresh key.
func (p *puppet) signJoin(w *atriumpb.Work) (federation.Join, error) {
	var err error
	if p.header, err = federation.DecodeHeader(w.GetHeader()); err != nil {
		return federation.Join{}, err
	}
	if p.hpke, err = envelope.NewKey(); err != nil {
		return federation.Join{}, err
	}
	p.counter++
	line, err := roundlog.Cosign(w.GetCheckpoint(), string(p.id), p.key, time.Now())
	return federation.Join{V: 1, Header: federation.Sum(w.GetHeader()), Hospital: p.id, Cosignature: string(line),
		Counter: p.counter, Incarnation: p.incarnation, Key: p.hpke.Public()}, err
}

func (p *puppet) join(ctx context.Context, w *atriumpb.Work) error {
	j, err := p.signJoin(w)
	if err != nil {
		return err
	}
	return p.send(ctx, "join", signed(p, j))
}

func (p *puppet) burn(ctx context.Context, w *atriumpb.Work) error {
	return p.send(ctx, "burn", signed(p, federation.Burn{V: 1, Manifest: federation.Digest(w.GetManifest()), Custodian: p.id}))
}

func (p *puppet) fetch(ctx context.Context, digest []byte) ([]byte, error) {
	stream, err := p.api.Fetch(ctx, &atriumpb.FetchRequest{Federation: "cardiology", Digest: digest})
	if err != nil {
		return nil, err
	}
	var data []byte
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
		data = append(data, chunk.GetData()...)
	}
}

func (p *puppet) loadManifest(ctx context.Context, w *atriumpb.Work) error {
	raw, err := p.fetch(ctx, w.GetManifest())
	if err != nil {
		return err
	}
	p.manifest, err = envelope.OpenManifest(p.w.charter, raw)
	return err
}

// open opens the envelopes of a candidate and lists those that it cannot read.
func (p *puppet) open(ctx context.Context, w *atriumpb.Work) (unreadable []federation.HospitalID, err error) {
	candidate := federation.Sum(w.GetCandidate())
	stream, err := p.api.Envelopes(ctx, &atriumpb.EnvelopesRequest{Federation: "cardiology", Candidate: candidate[:]})
	if err != nil {
		return nil, err
	}
	unreadable, p.shares = []federation.HospitalID{}, map[federation.Digest][]uint16{}
	for {
		item, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			slices.Sort(unreadable)
			return unreadable, nil
		}
		if err != nil {
			return nil, err
		}
		s, digest, err := envelope.DecodeMessage[federation.Submission](p.w.charter, item.GetSigned())
		if err != nil {
			return nil, err
		}
		plain, err := p.hpke.Open(envelope.AssociatedData{Manifest: s.Manifest, UpdateRoot: s.UpdateRoot(), From: s.Hospital, To: p.id}, item.GetEnvelope())
		if err == nil {
			p.shares[digest], err = shamir.Unmarshal(plain, 1<<p.header.Ring.LogN)
		}
		if err != nil {
			unreadable = append(unreadable, s.Hospital)
		}
	}
}

func (p *puppet) ready(ctx context.Context, w *atriumpb.Work) error {
	unreadable, err := p.open(ctx, w)
	if err != nil {
		return err
	}
	return p.complain(ctx, w, unreadable)
}

// complain is ready but for those that it complains about.
func (p *puppet) complain(ctx context.Context, w *atriumpb.Work, about []federation.HospitalID) error {
	r, err := p.signReady(w, about)
	if err != nil {
		return err
	}
	return p.send(ctx, "ready", signed(p, r))
}

func (p *puppet) signReady(w *atriumpb.Work, about []federation.HospitalID) (federation.Ready, error) {
	candidate, err := federation.DecodeCandidate(w.GetCandidate())
	if err != nil {
		return federation.Ready{}, err
	}
	head, line, err := p.cosign(w)
	return federation.Ready{V: 1, Manifest: federation.Digest(w.GetManifest()), Candidate: candidate.Digest(), Custodian: p.id, Unreadable: about,
		Asks: federation.AsksDigest(p.header.Questions, federation.SetDigest(candidate.Set())), Checkpoint: head, Cosignature: line}, err
}

// cosign signs the checkpoint that comes with a task.
func (p *puppet) cosign(w *atriumpb.Work) (federation.TreeHead, string, error) {
	checkpoint, err := roundlog.ParseCheckpoint(w.GetCheckpoint(), p.w.charter.LogKey)
	if err != nil {
		return federation.TreeHead{}, "", err
	}
	line, err := roundlog.Cosign(w.GetCheckpoint(), string(p.id), p.key, time.Now())
	return federation.TreeHead{Size: checkpoint.Size, Root: federation.Digest(checkpoint.Root)}, string(line), err
}

// derive takes the coordinator's word for what followed: a puppet computes nothing.
func (p *puppet) derive(ctx context.Context, w *atriumpb.Work) error {
	candidate, err := federation.DecodeCandidate(w.GetCandidate())
	if err != nil {
		return err
	}
	e, err := round.DecodeEntry(w.GetEntry())
	if err != nil {
		return err
	}
	h, err := federation.DecodeHeader(w.GetHeader())
	if err != nil {
		return err
	}
	after := uint64(0)
	if e.Version > 0 {
		after = h.StepsAfter()
	}
	return p.send(ctx, "derived", signed(p, federation.Derived{V: 1, Round: w.GetRound(), Manifest: candidate.Manifest, Candidate: candidate.Digest(), Custodian: p.id, Plan: h.Plan,
		Result: e.Blob, Version: e.Version, Snapshot: e.Snapshot, Parameters: e.Parameters, Steps: after}))
}

func (p *puppet) give(ctx context.Context, w *atriumpb.Work) error {
	return p.giveWith(ctx, w, func(*federation.Send, [][]byte) {})
}

// giveWith sends the honest share sums as the test changes them. A share sum that is changed
// is signed as it is then; a signed digest that is changed stays as it is.
func (p *puppet) giveWith(ctx context.Context, w *atriumpb.Work, change func(*federation.Send, [][]byte)) error {
	req, err := p.sharesRequest(w, change)
	if err != nil {
		return err
	}
	_, err = p.api.SendShares(ctx, req)
	return err
}

func (p *puppet) sharesRequest(w *atriumpb.Work, change func(*federation.Send, [][]byte)) (*atriumpb.SharesRequest, error) {
	list, err := federation.DecodeCandidate(w.GetCandidate())
	if err != nil {
		return nil, err
	}
	head, line, err := p.cosign(w)
	if err != nil {
		return nil, err
	}
	a := federation.Send{V: 1, Manifest: federation.Digest(w.GetManifest()), Candidate: list.Digest(), Custodian: p.id, Cosignature: line, Checkpoint: head}
	var sums [][]byte
	for _, group := range list.Groups {
		var sum []uint16
		for _, m := range group {
			share, ok := p.shares[m.Submission]
			if !ok {
				return nil, fmt.Errorf("no share of %s", m.Hospital)
			}
			if sum == nil {
				sum = make([]uint16, len(share))
			}
			if err := shamir.AddTo(sum, share); err != nil {
				return nil, err
			}
		}
		if sum == nil {
			sums, a.ShareSums = append(sums, nil), append(a.ShareSums, federation.Digest{})
			continue
		}
		sums = append(sums, shamir.Marshal(sum))
		a.ShareSums = append(a.ShareSums, federation.Sum(sums[len(sums)-1]))
	}
	signedFor := slices.Clone(a.ShareSums)
	change(&a, sums)
	for g := range sums {
		if g < len(a.ShareSums) && a.ShareSums[g] == signedFor[g] && len(sums[g]) > 0 {
			a.ShareSums[g] = federation.Sum(sums[g])
		}
	}
	return &atriumpb.SharesRequest{Federation: "cardiology", Signed: signed(p, a), ShareSums: sums}, nil
}

// random fills a share with elements that no polynomial of the others goes through.
func random(share []uint16) {
	b := make([]byte, 2*len(share))
	rand.Read(b)
	for i := range share {
		share[i] = (uint16(b[2*i]) | uint16(b[2*i+1])<<8) % shamir.P
	}
}

// signElsewhere signs for another federation.
func signElsewhere[T envelope.Message](p *puppet, m T) federation.Signed {
	return envelope.SignMessage(p.key, "oncology", m)
}
