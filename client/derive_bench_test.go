package client

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"atrium/aggregation"
	"atrium/client/participant"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/wire"
	"atrium/privacy/envelope"
	"atrium/privacy/shamir"
	"atrium/storage"
	"atrium/storage/local"
	"atrium/storage/models"
)

// serveVariable names the folder that a process of this test binary serves objects from, so
// that what serving costs is not counted as the hospital's.
const serveVariable = "ATRIUM_BENCH_SERVE"

// fileServer is a coordinator that can do nothing but Fetch.
type fileServer struct {
	atriumpb.UnimplementedCoordinatorServer
	dir string
}

func (f fileServer) Fetch(req *atriumpb.FetchRequest, stream grpc.ServerStreamingServer[atriumpb.Chunk]) error {
	b, err := os.ReadFile(filepath.Join(f.dir, federation.Digest(req.GetDigest()).String()))
	if err != nil {
		return status.Error(codes.NotFound, err.Error())
	}
	for b = b[req.GetOffset():]; len(b) > 0; b = b[min(len(b), chunkBytes):] {
		if err := stream.Send(&atriumpb.Chunk{Data: b[:min(len(b), chunkBytes)]}); err != nil {
			return err
		}
	}
	return nil
}

func serveFiles(b *testing.B, dir string) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		b.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13})), grpc.ForceServerCodecV2(wire.NewCodec()))
	atriumpb.RegisterCoordinatorServer(server, fileServer{dir: dir})
	fmt.Printf("serving %s\n", listener.Addr())
	_ = server.Serve(listener) // until it is killed
}

// deriving is a custodian that sent in a round of ten hospitals, and what its coordinator has.
type deriving struct {
	b         *testing.B
	d         *Daemon
	dir       string // that is served
	header    federation.Header
	candidate federation.Candidate
	work      *atriumpb.Work
	base      models.Snapshot
	bytes     int               // of C
	made      federation.Digest // snapshot that was derived last
}

func (v *deriving) must(err error) {
	v.b.Helper()
	if err != nil {
		v.b.Fatal(err)
	}
}

func (v *deriving) put(blob []byte) federation.Digest {
	digest := federation.Sum(blob)
	v.must(os.WriteFile(filepath.Join(v.dir, digest.String()), blob, 0o600))
	return digest
}

func newDerivingDaemon(b *testing.B, parameters int) *deriving {
	b.Helper()
	v := &deriving{b: b, dir: b.TempDir()}
	plan := federation.Plan{V: 1, Name: "derive", Label: federation.Label{Name: "y"}, Features: []federation.Feature{{Name: "x", Max: 1}},
		Model: federation.Model{Kind: federation.MLP, Hidden: []int{parameters / 3}}, Aggregation: federation.Aggregation{Rule: federation.FedAvg, LearningRate: 1},
		Privacy: federation.Privacy{Bits: 16, Clip: 1, WeightCap: 100, MinRecords: 10}}
	var members []federation.Member
	keys := map[federation.HospitalID]ed25519.PrivateKey{}
	for range 10 {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		v.must(err)
		id := federation.NewHospitalID("bench", public)
		keys[id] = private
		members = append(members, federation.Member{ID: id, IdentityKey: public, TLSKey: federation.Sum(public)})
	}
	charter, err := federation.NewCharter("bench", "log", members, false)
	v.must(err)
	v.seal(plan, charter, keys)
	v.connect(plan, charter, keys)
	return v
}

// seal makes C of one vector that every hospital submits, with the share sums for it.
func (v *deriving) seal(plan federation.Plan, charter federation.Charter, keys map[federation.HospitalID]ed25519.PrivateKey) {
	norm := aggregation.Normalisation{Mean: []float64{0}, SD: []float64{1}}
	var err error
	v.base, err = models.ForPlan(plan, models.InitialParameters(plan), norm)
	v.must(err)
	format := plan.Format(federation.Train)
	ring, err := opening.Ring(format.Count(), len(charter.Members), format.Bits)
	v.must(err)
	v.header = federation.Header{V: 1, Federation: "bench", Round: 2, Kind: federation.Train, Plan: plan.Digest(), Version: 1,
		Base: v.put(models.Encode(v.base)), Parameters: models.ParametersDigest(v.base), Charter: charter.Digest(), Ring: ring, Format: format}
	manifest := federation.Manifest{V: 1, Header: v.header.Digest(), Groups: charter.Groups, Joins: []federation.Signed{}, Certificates: []federation.BurnCertificate{}}
	digest := v.put(federation.Encode(manifest))
	params, err := opening.Parameters(ring)
	v.must(err)
	values := make([]float64, format.Count())
	for i := range plan.TrainTail() {
		values[i] = 0.001 * float64(1+i%7) // another version follows
	}
	values[plan.TrainTail()] = 50 // the weight
	fields := make([]uint32, len(values))
	_, err = format.Quantise(fields, values, noRounding{})
	v.must(err)
	key, err := params.NewKey(rand.Reader)
	v.must(err)
	shares, err := shamir.Share(key.Coefficients(), charter.Threshold, len(charter.Custodians), rand.Reader)
	v.must(err)
	list := opening.List{V: 1}
	for _, s := range params.Segments(opening.SegmentTarget) {
		from, to := params.Fields(s.First, s.Last)
		segment, err := params.EncryptBlocks(nil, s.First, s.Last, federation.PublicSeed(digest, 0), key, fields[from:to], rand.Reader)
		v.must(err)
		sum, err := params.NewSegmentSum(s.First, s.Last)
		v.must(err)
		for range charter.Members {
			v.must(sum.Add(segment))
		}
		list.Segments = append(list.Segments, v.put(sum.Marshal()))
		v.bytes += len(segment)
	}
	v.candidate = federation.Candidate{V: 1, Manifest: digest, Groups: [][]federation.Submitter{nil}, Sums: []federation.Digest{v.put(federation.Encode(list))}}
	for _, m := range charter.Members {
		v.candidate.Groups[0] = append(v.candidate.Groups[0], federation.Submitter{Hospital: m.ID})
	}
	v.work = &atriumpb.Work{Kind: "derive", Round: 2, Header: federation.Encode(v.header), Candidate: federation.Encode(v.candidate)}
	for i, id := range charter.Custodians[:charter.Threshold] {
		sum := make([]uint16, params.N())
		for range charter.Members {
			v.must(shamir.AddTo(sum, shares[i]))
		}
		v.work.Sends = append(v.work.Sends, federation.Encode(envelope.SignMessage(keys[id], "bench", federation.Send{V: 1, Manifest: digest,
			Candidate: v.candidate.Digest(), Custodian: id, ShareSums: []federation.Digest{v.put(shamir.Marshal(sum))}})))
	}
}

// connect starts a process that serves, and a daemon that is connected to it and holds the base.
func (v *deriving) connect(plan federation.Plan, charter federation.Charter, keys map[federation.HospitalID]ed25519.PrivateKey) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	v.must(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	v.must(err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	v.must(err)
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		v.must(os.WriteFile(filepath.Join(v.dir, name), pem.EncodeToMemory(block), 0o600))
	}
	server := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkDerive$")
	server.Env = append(os.Environ(), serveVariable+"="+v.dir)
	out, err := server.StdoutPipe()
	v.must(err)
	v.must(server.Start())
	v.b.Cleanup(func() { server.Process.Kill(); server.Wait() })
	address := ""
	for lines := bufio.NewScanner(out); address == "" && lines.Scan(); {
		_, address, _ = strings.Cut(lines.Text(), "serving ")
	}
	cert, err := x509.ParseCertificate(der)
	v.must(err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	self := charter.Custodians[0]
	v.d = &Daemon{self: self, cfg: Config{Plan: plan, Charter: charter, Identity: keys[self], State: v.b.TempDir(), Addresses: []string{address},
		TLS: &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13}}}
	v.d.link, err = dial(v.d.cfg, 0, func(connectivity.State) {})
	v.must(err)
	v.b.Cleanup(func() { v.d.link.conn.Close() })
	v.d.journal, v.d.state, err = openJournal(v.d.cfg.State, participant.State{Self: self, Charter: charter})
	v.must(err)
	v.b.Cleanup(func() { v.d.journal.close() })
	v.d.store, err = local.Create(filepath.Join(v.b.TempDir(), "store"))
	v.must(err)
	v.must(v.d.persist(participant.TakeBase(v.d.state, participant.Base{Version: 1, Snapshot: v.header.Base, Parameters: v.header.Parameters})))
	_, err = models.Store(v.b.Context(), v.d.store, v.base)
	v.must(err)
}

// fetchAndDecode is what a hospital does with a version that it takes from others: it receives
// and decodes it as it arrives, and names what came.
func (v *deriving) fetchAndDecode(ctx context.Context) {
	from := v.d.link.open(ctx, v.header.Base, models.MaxSnapshotBytes)
	defer from.Close()
	s, _, _, err := models.DecodeForPlan(v.d.cfg.Plan, from, nil)
	v.must(err)
	if models.ParametersDigest(s) != v.header.Parameters {
		v.b.Fatal("other parameters")
	}
}

// derive is what a custodian does in place of that, from C and the share sums to the version in
// its store.
func (v *deriving) derive(ctx context.Context) {
	derived := federation.Derived{}
	_, err := v.d.conclude(ctx, v.work, v.header, v.candidate, &derived)
	v.must(err)
	v.must(v.d.forgetSum(ctx, v.candidate))
	v.made = derived.Snapshot
}

// spent is the processor time of this process.
func spent(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkDerive compares the processor time of deriving a version, with fetching C over TLS
// and storing what comes out, with that of fetching and decoding one, in turn in one run.
func BenchmarkDerive(b *testing.B) {
	if dir := os.Getenv(serveVariable); dir != "" {
		serveFiles(b, dir)
		return
	}
	for _, parameters := range []int{1_000_000, 25_000_000} {
		b.Run(fmt.Sprintf("parameters=%d", parameters), func(b *testing.B) {
			v := newDerivingDaemon(b, parameters)
			v.fetchAndDecode(b.Context()) // connects
			var derived, fetched time.Duration
			for b.Loop() {
				at := spent(b)
				v.derive(b.Context())
				derived += spent(b) - at
				v.must(v.d.store.Delete(b.Context(), storage.ModelSegment(v.made))) // or it is found there the next time
				at = spent(b)
				v.fetchAndDecode(b.Context())
				fetched += spent(b) - at
			}
			b.ReportMetric(derived.Seconds()/float64(b.N), "derive-cpu-s")
			b.ReportMetric(fetched.Seconds()/float64(b.N), "fetch-cpu-s")
			b.ReportMetric(derived.Seconds()/fetched.Seconds(), "ratio")
			b.ReportMetric(float64(v.bytes)/float64(parameters), "C-bytes/param")
			b.ReportMetric(float64(len(models.Encode(v.base)))/float64(parameters), "version-bytes/param")
		})
	}
}

// noRounding rounds nothing up.
type noRounding struct{}

func (noRounding) Uint64() uint64 { return 0 }
