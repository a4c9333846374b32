package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"atrium/aggregation"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/coordinator/setup"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/local"
	"atrium/storage/models"
	"atrium/storage/roundlog"
)

// plainServer adds plain vectors.
type plainServer struct {
	plainOptions
	charter federation.Charter
	plan    federation.Plan
	bucket  *local.Bucket
	commits chan plainCommit
	buffers sync.Pool

	mu         sync.Mutex
	round      int
	snapshot   federation.Digest // of the round, as parameters are
	parameters federation.Digest
	done       map[federation.HospitalID]federation.Submission
	held       map[string]federation.Digest // segments
	changed    chan struct{}                // closed when a round begins
	started    time.Time
	result     plainResult
}

// plainCommit is an entry that waits for its commit, or with none for a checkpoint.
type plainCommit struct {
	entry *round.Entry
	reply chan error
}

func servePlain(ctx context.Context, o plainOptions, c config) error {
	f, err := loadCoordinator(c, nil)
	if err != nil {
		return err
	}
	cfg, plan := f.Config, f.plan
	tlsConfig, err := serverTLS(c, []folderConfig{{config: c}})
	if err != nil {
		return err
	}
	tuneCollector(plan)
	bucket, err := local.Create(filepath.Join(o.dir, "plain"))
	if err != nil {
		return err
	}
	defer bucket.Close()
	s := &plainServer{plainOptions: o, charter: cfg.Charter, plan: plan, bucket: bucket, commits: make(chan plainCommit), changed: make(chan struct{})}
	journal, err := roundlog.Create(ctx, bucket, cfg.Key)
	if err != nil {
		return err
	}
	go s.commitAll(ctx, journal)
	n := len(plan.Features)
	norm := aggregation.Normalisation{Mean: make([]float64, n), SD: make([]float64, n)}
	for i := range norm.SD {
		norm.SD[i] = 1
	}
	first, err := models.ForPlan(plan, models.InitialParameters(plan), norm)
	if err != nil {
		return err
	}
	if err := s.publish(ctx, first); err != nil {
		return err
	}
	listener, err := listen(o.address)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /model/{round}", s.sendModel)
	mux.HandleFunc("POST /join/{round}", s.answer(s.join))
	mux.HandleFunc("PUT /update/{round}/{hospital}/{index}", s.answer(s.update))
	mux.HandleFunc("POST /submit/{round}", s.answer(s.submit))
	server := &http.Server{Handler: mux, TLSConfig: tlsConfig, ErrorLog: log.New(io.Discard, "", 0)}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// answer is a handler that says what went wrong.
func (s *plainServer) answer(do func(context.Context, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := do(context.WithoutCancel(r.Context()), r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

// commitAll owns the log: what waits together is one batch.
func (s *plainServer) commitAll(ctx context.Context, journal *roundlog.Log) {
	for {
		var list []plainCommit
		select {
		case first := <-s.commits:
			list = append(list, first)
		case <-ctx.Done():
			return
		}
		for more := true; more; {
			select {
			case next := <-s.commits:
				list = append(list, next)
			default:
				more = false
			}
		}
		var entries [][]byte
		publish := false
		for _, c := range list {
			if c.entry == nil {
				publish = true
				continue
			}
			entries = append(entries, c.entry.Encode())
		}
		var err error
		if len(entries) > 0 {
			_, err = journal.Append(ctx, 0, time.Now(), entries)
		}
		if publish && err == nil {
			_, _, _, err = journal.Publish(ctx)
		}
		for _, c := range list {
			c.reply <- err
		}
	}
}

func (s *plainServer) commit(e *round.Entry) error {
	if e != nil {
		e.V, e.Time = 1, federation.FormatTime(time.Now())
	}
	c := plainCommit{e, make(chan error, 1)}
	s.commits <- c
	return <-c.reply
}

// publish stores a snapshot and begins a round on it.
func (s *plainServer) publish(ctx context.Context, snapshot models.Snapshot) error {
	parameters := models.ParametersDigest(snapshot)
	digest, err := models.Store(ctx, s.bucket, snapshot)
	if err != nil {
		return err
	}
	entry := &round.Entry{Kind: round.Publish, Round: uint64(s.round), Version: uint64(s.round + 1), Snapshot: digest, Parameters: parameters}
	if err := errors.Join(s.commit(entry), s.commit(nil)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.round > 0 {
		s.result.Seconds = append(s.result.Seconds, time.Since(s.started).Seconds())
	}
	s.round, s.snapshot, s.parameters, s.started = s.round+1, digest, parameters, time.Now()
	s.done, s.held = map[federation.HospitalID]federation.Submission{}, map[string]federation.Digest{}
	close(s.changed)
	s.changed = make(chan struct{})
	if s.round <= s.rounds {
		return nil
	}
	b, err := json.Marshal(s.result)
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, plainFile)
	if err := os.WriteFile(path+".tmp", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// sendModel sends the snapshot of a round once there is one.
func (s *plainServer) sendModel(w http.ResponseWriter, r *http.Request) {
	want, err := strconv.Atoi(r.PathValue("round"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for {
		s.mu.Lock()
		now, snapshot, parameters, changed := s.round, s.snapshot, s.parameters, s.changed
		s.mu.Unlock()
		if now >= want {
			w.Header().Set("Snapshot", snapshot.String())
			w.Header().Set("Parameters", parameters.String())
			for offset := int64(0); ; {
				b, err := s.bucket.Get(r.Context(), storage.ModelSegment(snapshot), offset, 1<<20)
				if err != nil || len(b) == 0 {
					return
				}
				if _, err := w.Write(b); err != nil {
					return
				}
				offset += int64(len(b))
			}
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// take verifies a signed message, stores it and commits its entry.
func take[T envelope.Message](ctx context.Context, s *plainServer, r *http.Request, kind round.EntryKind) (T, error) {
	blob, err := io.ReadAll(io.LimitReader(r.Body, federation.MaxMessageBytes))
	if err != nil {
		return *new(T), err
	}
	s.mu.Lock()
	s.result.Bytes += int64(len(blob))
	s.mu.Unlock()
	m, digest, err := envelope.DecodeMessage[T](s.charter, blob)
	if err != nil {
		return m, err
	}
	if _, err := storage.PutBlob(ctx, s.bucket, blob); err != nil {
		return m, err
	}
	return m, s.commit(&round.Entry{Kind: kind, Round: uint64(s.round), Hospital: m.From(), Blob: digest})
}

func (s *plainServer) join(ctx context.Context, r *http.Request) error {
	_, err := take[federation.Join](ctx, s, r, round.Join)
	return err
}

// update stores one segment of a hospital's vector.
func (s *plainServer) update(ctx context.Context, r *http.Request) error {
	buffer, ok := s.buffers.Get().(*bytes.Buffer)
	if !ok {
		buffer = new(bytes.Buffer)
	}
	defer s.buffers.Put(buffer)
	buffer.Reset()
	buffer.Grow(int(min(max(r.ContentLength, 0), plainSegment)) + bytes.MinRead)
	if _, err := buffer.ReadFrom(io.LimitReader(r.Body, plainSegment+1)); err != nil {
		return err
	}
	digest := federation.Digest(sha256.Sum256(buffer.Bytes()))
	if buffer.Len() > plainSegment || hex.EncodeToString(digest[:]) != r.Header.Get("Digest") {
		return storage.ErrDigest
	}
	name := plainName(r.PathValue("round"), r.PathValue("hospital"), r.PathValue("index"))
	if err := storage.PutOnce(ctx, s.bucket, name, buffer.Bytes()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[name] = digest
	s.result.Bytes += int64(buffer.Len())
	return nil
}

func plainName(round, hospital, index string) string {
	return "rounds/" + round + "/" + hospital + "/" + index
}

// submit notes that a hospital has sent all, and ends the round with the last one.
func (s *plainServer) submit(ctx context.Context, r *http.Request) error {
	m, err := take[federation.Submission](ctx, s, r, round.Update)
	if err != nil {
		return err
	}
	s.mu.Lock()
	for i, digest := range m.Segments {
		if s.held[plainName(r.PathValue("round"), string(m.Hospital), strconv.Itoa(i))] != digest {
			err = fmt.Errorf("segment %d of %s: %w", i, m.Hospital, storage.ErrDigest)
		}
	}
	s.done[m.Hospital] = m
	last, number, base := len(s.done) == len(s.charter.Members), s.round, s.snapshot
	s.mu.Unlock()
	if err != nil || !last {
		return err
	}
	next, err := s.average(ctx, number, base)
	if err != nil {
		return err
	}
	return s.publish(ctx, next)
}

// average adds the mean of the vectors to the model, one segment of one hospital at a
// time.
func (s *plainServer) average(ctx context.Context, number int, base federation.Digest) (models.Snapshot, error) {
	snapshot, err := models.Get(ctx, s.bucket, base)
	if err != nil {
		return snapshot, err
	}
	params, norm, err := models.OfPlan(s.plan, snapshot)
	if err != nil {
		return snapshot, err
	}
	sum, buffer := make([]float64, min(plainSegment/4, len(params))), make([]byte, plainSegment)
	for index, rest := 0, params; len(rest) > 0; index++ {
		part := rest[:min(plainSegment/4, len(rest))]
		rest = rest[len(part):]
		clear(sum)
		for _, m := range s.charter.Members {
			name := plainName(strconv.Itoa(number), string(m.ID), strconv.Itoa(index))
			data, err := storage.GetVerifiedInto(ctx, s.bucket, name, s.done[m.ID].Segments[index], buffer)
			if err != nil || len(data) != 4*len(part) {
				return snapshot, errors.Join(err, fmt.Errorf("%s: %d bytes", name, len(data)))
			}
			for i := range part {
				sum[i] += float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
			}
		}
		if err := aggregation.FedAvgInPlace(part, sum[:len(part)], float64(len(s.charter.Members)), 1); err != nil {
			return snapshot, err
		}
	}
	return models.ForPlan(s.plan, params, norm)
}

// plainSide is what a hospital loads besides its TLS.
func plainSide(c config) (charter federation.Charter, plan federation.Plan, err error) {
	if charter, err = setup.LoadCharter(c.text("charter")); err != nil {
		return charter, plan, err
	}
	plan, err = setup.LoadPlan(c.text("plan"))
	return charter, plan, err
}
