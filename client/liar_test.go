package client_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"atrium/client"
	"atrium/client/dataset"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/coordinator/rpc"
	"atrium/coordinator/setup"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/roundlog"
	"atrium/storage/storagetest"
)

// liar is a coordinator with the log's key that says to each hospital what a test wants
// it to say, over real mutual TLS, to real daemons with real records and keys. It also
// has every hospital's identity key: a test takes those of hostile hospitals.
type liar struct {
	atriumpb.UnimplementedCoordinatorServer
	t       *testing.T
	dir     string
	address string
	charter federation.Charter
	plan    federation.Plan
	key     *roundlog.Key
	sites   []*site // in the charter's order

	mu      sync.Mutex
	store   *storagetest.Memory
	log     *roundlog.Log
	blobs   map[federation.Digest][]byte
	items   map[federation.HospitalID][]*atriumpb.EnvelopeItem // what Envelopes sends
	recalls func(*site) []*atriumpb.Message                    // what Recall sends
	updates *storagetest.Memory                                // segments of ciphertexts, as a coordinator names them
	tasks   int
	round   uint64
	newest  uint64            // version on which rounds are
	made    federation.Digest // plan of which custodians say that it made what they derived
}

// site is one hospital.
type site struct {
	name     string
	id       federation.HospitalID
	identity ed25519.PrivateKey
	cfg      client.Config
	said     *said
	stop     func()

	// The task it was given, owned by liar.mu.
	task  string
	work  func(seen int64) *atriumpb.Work
	inbox []message
	ended chan outcome
	wake  chan struct{}
	given bool // it was handed out
	quiet bool // nothing is sent when it is done
}

// message is what a hospital sent.
type message struct {
	kind   string
	signed []byte
	parts  [][]byte
}

// outcome is what a hospital made of a task.
type outcome struct {
	messages []message
	refusal  string // its log's words
}

// numbersOf are the numbers of charters that newLiar makes.
var numbersOf = federation.Tolerant

// newLiar makes a federation and starts its daemons; change alters what they are configured
// with.
func newLiar(t *testing.T, hospitals, groups int, plan federation.Plan, change ...func(*client.Config)) *liar {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	l := &liar{t: t, newest: 3, dir: filepath.Join(t.TempDir(), "federation"), address: listener.Addr().String(), plan: plan,
		blobs: map[federation.Digest][]byte{}, items: map[federation.HospitalID][]*atriumpb.EnvelopeItem{}, updates: storagetest.NewMemory()}
	data := t.TempDir()
	var names []string
	for i := range hospitals {
		cohort := dataset.Generate(7, i)
		names = append(names, cohort.Name)
		must(t, cohort.WriteCSV(data, cohort.Name))
	}
	made, err := setup.Init(t.Context(), setup.Options{Dir: l.dir, Federation: "cardiology", Hospitals: names, Groups: groups,
		Numbers: numbersOf(hospitals, groups), Address: l.address, Plan: plan})
	must(t, err)
	l.charter = made.Charter
	l.key, err = setup.LoadLogKey(filepath.Join(made.Coordinator, "log.key"))
	must(t, err)
	l.store = storagetest.NewMemory()
	l.log, err = roundlog.Create(t.Context(), l.store, l.key)
	must(t, err)
	l.append(round.Entry{V: 1, Kind: round.Genesis, Blob: l.charter.Digest()})
	l.serve(listener, made.Coordinator)
	for _, h := range made.Hospitals {
		l.sites = append(l.sites, l.load(h, data))
	}
	slices.SortFunc(l.sites, func(a, b *site) int { return strings.Compare(string(a.id), string(b.id)) })
	for _, s := range l.sites {
		for _, f := range change {
			f(&s.cfg)
		}
		l.start(s)
		t.Cleanup(func() { s.stop() })
	}
	return l
}

// run is a subtest that the liar's own troubles count for.
func (l *liar) run(t *testing.T, name string, f func(*testing.T)) {
	t.Run(name, func(t *testing.T) {
		outer := l.t
		l.t = t
		defer func() { l.t = outer }()
		f(t)
	})
}

func (l *liar) load(h setup.Hospital, data string) *site {
	file := func(name string) string { return filepath.Join(h.Folder, name) }
	s := &site{name: h.Name, id: h.ID, said: &said{}, wake: make(chan struct{})}
	identity, err := setup.LoadIdentity(file("identity.key"))
	must(l.t, err)
	rules, err := setup.LoadPolicy(file("policy.yaml"))
	must(l.t, err)
	cert, err := setup.LoadKeyPair(file("tls.crt"), file("tls.key"))
	must(l.t, err)
	pool, err := setup.LoadPool(file("ca.crt"))
	must(l.t, err)
	s.identity = identity
	s.cfg = client.Config{Name: h.Name, Addresses: []string{l.address}, TLS: client.ClientTLS(cert, pool, "127.0.0.1"),
		Charter: l.charter, Plan: l.plan, Policy: rules, Identity: identity, State: h.State, Logger: slog.New(s.said),
		Train: filepath.Join(data, h.Name+"_train.csv"), Test: filepath.Join(data, h.Name+"_test.csv")}
	return s
}

// start opens and runs a site's daemon; it has a new incarnation and its old journal.
func (l *liar) start(s *site) {
	l.t.Helper()
	d, err := client.Open(s.cfg)
	must(l.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Errorf("hospital %s: %v", s.name, err)
		}
		must(l.t, d.Close())
	})
}

// stopAll ends every daemon.
func (l *liar) stopAll() {
	for _, s := range l.sites {
		s.stop()
	}
}

// restartAll starts every daemon anew.
func (l *liar) restartAll() {
	l.t.Helper()
	l.stopAll()
	for _, s := range l.sites {
		l.start(s)
	}
}

// restart starts every daemon anew, with another plan that the hospital approved.
func (l *liar) restart(plan federation.Plan) {
	l.t.Helper()
	l.plan = plan
	for _, s := range l.sites {
		s.stop()
		s.cfg.Plan = plan
		s.cfg.Policy.Plans = append(s.cfg.Policy.Plans, plan.Digest())
		l.start(s)
		l.t.Cleanup(s.stop)
	}
}

func (l *liar) serve(listener net.Listener, folder string) {
	cert, err := setup.LoadKeyPair(filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"))
	must(l.t, err)
	pool, err := setup.LoadPool(filepath.Join(folder, "ca.crt"))
	must(l.t, err)
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(rpc.ServerTLS(cert, pool))))
	atriumpb.RegisterCoordinatorServer(server, l)
	go server.Serve(listener)
	l.t.Cleanup(server.Stop)
}

// ask gives a hospital a task and waits until the hospital is through with it.
func (l *liar) ask(s *site, work func(seen int64) *atriumpb.Work) outcome {
	l.t.Helper()
	l.mu.Lock()
	l.tasks++
	s.task, s.work, s.inbox, s.ended, s.given = fmt.Sprintf("task %d", l.tasks), work, nil, make(chan outcome, 1), false
	s.said.take()
	ended := s.ended
	close(s.wake)
	s.wake = make(chan struct{})
	l.mu.Unlock()
	select {
	case o := <-ended:
		return o
	case <-time.After(30 * time.Second):
		l.t.Fatalf("%s did nothing with %s", s.name, s.task)
		return outcome{}
	}
}

// quietly has a hospital do what ends without a message.
func (l *liar) quietly(s *site, w *atriumpb.Work) {
	l.t.Helper()
	s.quiet = true
	defer func() { s.quiet = false }()
	if o := l.ask(s, func(int64) *atriumpb.Work { return w }); o.refusal != "" || len(o.messages) > 0 {
		l.t.Errorf("%s sent %d messages and says %q", s.name, len(o.messages), o.refusal)
	}
}

// over reports whether a hospital that polls is through with its task. One that is still at
// it asks too, whether something else is wanted, and has said nothing yet.
func (s *site) over(skip []string) bool {
	return len(s.inbox) > 0 || s.quiet && s.given || slices.Contains(skip, s.task) && s.said.anything()
}

// Poll hands out the task, and ends it when the hospital comes back.
func (l *liar) Poll(ctx context.Context, req *atriumpb.PollRequest) (*atriumpb.Work, error) {
	s, err := l.caller(ctx)
	if err != nil {
		return nil, err
	}
	for {
		l.mu.Lock()
		if s.work != nil && s.over(req.GetSkip()) {
			s.ended <- outcome{s.inbox, s.said.take()}
			s.work = nil
		}
		if s.work != nil && !slices.Contains(req.GetSkip(), s.task) {
			w := s.work(req.GetSeenSize())
			w.Id, s.given = s.task, true
			l.mu.Unlock()
			return w, nil
		}
		wake := s.wake
		l.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
}

func (l *liar) caller(ctx context.Context) (*site, error) {
	p, _ := peer.FromContext(ctx)
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return nil, status.Error(codes.Unauthenticated, "no TLS")
	}
	key := federation.Sum(info.State.PeerCertificates[0].RawSubjectPublicKeyInfo)
	for i, m := range l.charter.Members {
		if m.TLSKey == key {
			return l.sites[i], nil
		}
	}
	return nil, status.Error(codes.PermissionDenied, "not in the charter")
}

func (l *liar) receive(ctx context.Context, m message) error {
	s, err := l.caller(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.inbox = append(s.inbox, m)
	return nil
}

// Send, Submit and SendShares take what hospitals send.
func (l *liar) Send(ctx context.Context, req *atriumpb.Message) (*atriumpb.Receipt, error) {
	return &atriumpb.Receipt{}, l.receive(ctx, message{kind: req.GetKind(), signed: req.GetSigned()})
}

func (l *liar) Submit(ctx context.Context, req *atriumpb.SubmitRequest) (*atriumpb.Receipt, error) {
	return &atriumpb.Receipt{}, l.receive(ctx, message{kind: "submission", signed: req.GetSigned(), parts: req.GetEnvelopes()})
}

func (l *liar) SendShares(ctx context.Context, req *atriumpb.SharesRequest) (*atriumpb.Receipt, error) {
	for _, sum := range req.GetShareSums() {
		l.put(sum)
	}
	return &atriumpb.Receipt{}, l.receive(ctx, message{kind: "send", signed: req.GetSigned(), parts: req.GetShareSums()})
}

func (l *liar) Held(context.Context, *atriumpb.HeldRequest) (*atriumpb.HeldReply, error) {
	return &atriumpb.HeldReply{}, nil
}

func (l *liar) PutSegment(stream grpc.ClientStreamingServer[atriumpb.SegmentChunk, atriumpb.Receipt]) error {
	s, err := l.caller(stream.Context())
	if err != nil {
		return err
	}
	var first *atriumpb.SegmentChunk
	var data []byte
	for {
		chunk, err := stream.Recv()
		if err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		if first == nil {
			first = chunk
			if err := stream.SendHeader(nil); err != nil { // there is room for the rest
				return err
			}
		}
		data = append(data, chunk.GetData()...)
	}
	name, err := storage.UpdateSegment([32]byte(first.GetHeader()), string(s.id), [32]byte(first.GetUpdateRoot()), int(first.GetIndex()))
	if err != nil {
		return err
	}
	l.updates.Set(name, data)
	return stream.SendAndClose(&atriumpb.Receipt{})
}

func (l *liar) Envelopes(_ *atriumpb.EnvelopesRequest, stream grpc.ServerStreamingServer[atriumpb.EnvelopeItem]) error {
	s, err := l.caller(stream.Context())
	if err != nil {
		return err
	}
	l.mu.Lock()
	items := l.items[s.id]
	l.mu.Unlock()
	for _, item := range items {
		if err := stream.Send(item); err != nil {
			return err
		}
	}
	return nil
}

// Ciphertext sends a segment of the submission that Envelopes showed the caller.
func (l *liar) Ciphertext(req *atriumpb.CiphertextRequest, stream grpc.ServerStreamingServer[atriumpb.Chunk]) error {
	s, err := l.caller(stream.Context())
	if err != nil {
		return err
	}
	l.mu.Lock()
	items := l.items[s.id]
	l.mu.Unlock()
	for _, item := range items {
		sub, _, err := envelope.DecodeMessage[federation.Submission](l.charter, item.GetSigned())
		if err != nil || string(sub.Hospital) != req.GetHospital() {
			continue
		}
		objects, err := l.updates.List(stream.Context(), storage.RoundsFolder)
		if err != nil {
			return err
		}
		for _, o := range objects {
			if strings.HasSuffix(o.Name, fmt.Sprintf("/%s/%x/%06d", sub.Hospital, [32]byte(sub.UpdateRoot()), req.GetIndex())) {
				data, err := l.updates.Get(stream.Context(), o.Name, req.GetOffset(), -1)
				if err != nil {
					return err
				}
				return sendChunks(stream, data)
			}
		}
	}
	return status.Error(codes.NotFound, "no such ciphertext")
}

func sendChunks(stream grpc.ServerStreamingServer[atriumpb.Chunk], data []byte) error {
	for chunk := range slices.Chunk(data, 1<<20) {
		if err := stream.Send(&atriumpb.Chunk{Data: chunk}); err != nil {
			return err
		}
	}
	return nil
}

func (l *liar) Fetch(req *atriumpb.FetchRequest, stream grpc.ServerStreamingServer[atriumpb.Chunk]) error {
	l.mu.Lock()
	blob, ok := l.blobs[federation.Digest(req.GetDigest())]
	l.mu.Unlock()
	if !ok {
		return status.Error(codes.NotFound, "no such object")
	}
	return sendChunks(stream, blob[req.GetOffset():])
}

// put stores an object for Fetch.
func (l *liar) put(blob []byte) federation.Digest {
	l.mu.Lock()
	defer l.mu.Unlock()
	digest := federation.Sum(blob)
	l.blobs[digest] = blob
	return digest
}

// append writes an entry to the log and returns its index.
func (l *liar) append(e round.Entry) int64 {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	return appendTo(l.t, l.log, e)
}

func appendTo(t *testing.T, log *roundlog.Log, e round.Entry) int64 {
	t.Helper()
	e.V, e.Time = 1, "2026-03-01T08:00:00.000Z"
	index, err := log.Append(context.Background(), 0, time.Unix(0, 0), [][]byte{e.Encode()})
	must(t, err)
	return index
}
