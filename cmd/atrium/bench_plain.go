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

	"github.com/spf13/cobra"

	"atrium/coordinator/setup"
	"atrium/storage"
	"atrium/storage/local"
)

// The plain rounds that encrypted ones are compared with. A hospital fetches the model,
// makes up a change of it and sends that as float32 in segments with hashes; the server
// stores each segment durably before it answers, adds them segment by segment once all
// are there, and stores the next model. There is no log, no signature, no secret.

const (
	plainFile    = "plain.json" // what the server measured, in the site's directory
	plainSegment = 8 << 20
)

// plainResult is what the server writes at the end.
type plainResult struct {
	Seconds []float64 `json:"seconds"`
	Bytes   int64     `json:"bytes"` // received from all hospitals in all rounds
}

func (s benchSite) plain(ctx context.Context, out *output, rounds int) (measured, error) {
	common := []string{"--params", strconv.Itoa(s.plan.ParameterCount()), "--rounds", strconv.Itoa(rounds),
		"--hospitals", strconv.Itoa(len(s.hospitals)), "--address", s.address, "--dir", s.dir, "--" + stdinFlag}
	args := func(command string) func(string) []string {
		return func(folder string) []string {
			return append([]string{"bench", command, "--config", filepath.Join(folder, setup.ConfigFile)}, common...)
		}
	}
	processes, stop, err := s.start(ctx, out, args("plain"), args("plain-hospital"))
	if err != nil {
		return measured{}, err
	}
	defer stop()
	var result plainResult
	err = s.until(ctx, processes, func() (bool, error) {
		b, err := os.ReadFile(filepath.Join(s.dir, plainFile))
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		} else if err != nil {
			return false, err
		}
		return true, json.Unmarshal(b, &result)
	})
	m := measured{seconds: result.Seconds, bytes: result.Bytes / int64(rounds*len(s.hospitals))}
	m.cpu = s.cpu(processes) / float64(rounds)
	m.coordinatorMB, m.hospitalMB = s.peaks(processes)
	return m, err
}

// plainOptions is what both sides are told.
type plainOptions struct {
	params, rounds, hospitals int
	address, dir              string
}

func newPlainCommand(use, short string, list []setting, run func(context.Context, plainOptions, config) error) *cobra.Command {
	var o plainOptions
	cmd := &cobra.Command{Use: use, Short: short, Hidden: true, Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, args, list)
			if err != nil {
				return err
			}
			return runDaemon(cmd, func(ctx context.Context) error { return run(ctx, o, c) })
		}}
	addSettings(cmd, list)
	addStdinFlag(cmd)
	f := cmd.Flags()
	f.IntVar(&o.params, "params", 0, "")
	f.IntVar(&o.rounds, "rounds", 0, "")
	f.IntVar(&o.hospitals, "hospitals", 0, "")
	f.StringVar(&o.address, "address", "", "")
	f.StringVar(&o.dir, "dir", "", "")
	return cmd
}

func newBenchPlainCommand() *cobra.Command {
	return newPlainCommand("plain", "Serve rounds without encryption", coordinatorSettings, servePlain)
}

func newBenchPlainHospitalCommand() *cobra.Command {
	return newPlainCommand("plain-hospital", "Take part in rounds without encryption", hospitalSettings, runPlainHospital)
}

// plainServer adds plain vectors.
type plainServer struct {
	plainOptions
	bucket *local.Bucket

	mu      sync.Mutex
	round   int
	digest  string // of the model of the round
	done    int    // hospitals that sent all of this round
	digests map[string][32]byte
	changed chan struct{} // closed when a round begins
	started time.Time
	result  plainResult
	buffers sync.Pool
}

func servePlain(ctx context.Context, o plainOptions, c config) error {
	tlsConfig, err := serverTLS(c)
	if err != nil {
		return err
	}
	bucket, err := local.Create(filepath.Join(o.dir, "plain"))
	if err != nil {
		return err
	}
	defer bucket.Close()
	s := &plainServer{plainOptions: o, bucket: bucket, digests: map[string][32]byte{}, changed: make(chan struct{}), started: time.Now()}
	if err := s.publish(ctx, make([]byte, 4*o.params)); err != nil {
		return err
	}
	listener, err := listen(o.address)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /model/{round}", s.model)
	mux.HandleFunc("PUT /update/{round}/{hospital}/{index}", s.update)
	mux.HandleFunc("POST /done/{round}", s.finish)
	server := &http.Server{Handler: mux, TLSConfig: tlsConfig, ErrorLog: log.New(io.Discard, "", 0)}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// publish stores a model and begins a round on it.
func (s *plainServer) publish(ctx context.Context, model []byte) error {
	digest, err := storage.PutBlob(ctx, s.bucket, model)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.round > 0 {
		s.result.Seconds = append(s.result.Seconds, time.Since(s.started).Seconds())
	}
	s.round, s.done, s.digest, s.started = s.round+1, 0, storage.Blob(digest), time.Now()
	s.digests = map[string][32]byte{}
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

// model sends the model of a round once there is one.
func (s *plainServer) model(w http.ResponseWriter, r *http.Request) {
	want, err := strconv.Atoi(r.PathValue("round"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for {
		s.mu.Lock()
		now, name, changed := s.round, s.digest, s.changed
		s.mu.Unlock()
		if now >= want {
			s.sendModel(r.Context(), w, name)
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func (s *plainServer) sendModel(ctx context.Context, w http.ResponseWriter, name string) {
	for offset := int64(0); ; {
		b, err := s.bucket.Get(ctx, name, offset, 1<<20)
		if err != nil || len(b) == 0 {
			return
		}
		if _, err := w.Write(b); err != nil {
			return
		}
		offset += int64(len(b))
	}
}

// update stores one segment of a hospital's vector.
func (s *plainServer) update(w http.ResponseWriter, r *http.Request) {
	buffer, ok := s.buffers.Get().(*bytes.Buffer)
	if !ok {
		buffer = new(bytes.Buffer)
	}
	defer s.buffers.Put(buffer)
	buffer.Reset()
	buffer.Grow(int(min(r.ContentLength, plainSegment)) + bytes.MinRead)
	_, err := buffer.ReadFrom(io.LimitReader(r.Body, plainSegment+1))
	digest := sha256.Sum256(buffer.Bytes())
	if err == nil && (buffer.Len() > plainSegment || hex.EncodeToString(digest[:]) != r.Header.Get("Digest")) {
		err = storage.ErrDigest
	}
	name := plainName(r.PathValue("round"), r.PathValue("hospital"), r.PathValue("index"))
	if err == nil {
		err = storage.PutOnce(r.Context(), s.bucket, name, buffer.Bytes())
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.digests[name] = digest
	s.result.Bytes += int64(buffer.Len())
}

func plainName(round, hospital, index string) string {
	return "rounds/" + round + "/" + hospital + "/" + index
}

// finish notes that a hospital has sent all, and ends the round with the last one.
func (s *plainServer) finish(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.done++
	last, number, name := s.done == s.hospitals, s.round, s.digest
	s.mu.Unlock()
	if !last {
		return
	}
	ctx := context.WithoutCancel(r.Context())
	model, err := s.average(ctx, number, name)
	if err == nil {
		err = s.publish(ctx, model)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// average adds the mean of the vectors to the model, one segment of one hospital at a
// time.
func (s *plainServer) average(ctx context.Context, number int, name string) ([]byte, error) {
	model, err := s.bucket.Get(ctx, name, 0, -1)
	if err != nil {
		return nil, err
	}
	sum, buffer := make([]float64, plainSegment/4), make([]byte, plainSegment)
	for index, from := 0, 0; from < len(model); index, from = index+1, from+plainSegment {
		part := model[from:min(from+plainSegment, len(model))]
		clear(sum)
		for h := range s.hospitals {
			object := plainName(strconv.Itoa(number), fmt.Sprintf("h%03d", h), strconv.Itoa(index))
			s.mu.Lock()
			digest := s.digests[object]
			s.mu.Unlock()
			data, err := storage.GetVerifiedInto(ctx, s.bucket, object, digest, buffer)
			if err != nil || len(data) != len(part) {
				return nil, errors.Join(err, fmt.Errorf("%s: %d bytes", object, len(data)))
			}
			for i := range len(data) / 4 {
				sum[i] += float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
			}
		}
		for i := range len(part) / 4 {
			old := math.Float32frombits(binary.LittleEndian.Uint32(part[4*i:]))
			binary.LittleEndian.PutUint32(part[4*i:], math.Float32bits(float32(float64(old)+sum[i]/float64(s.hospitals))))
		}
	}
	return model, nil
}
