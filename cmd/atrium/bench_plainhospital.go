package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"atrium/client"
	"atrium/coordinator/federation"
	"atrium/coordinator/setup"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/local"
	"atrium/storage/models"
)

// plainHospital takes part in plain rounds.
type plainHospital struct {
	plainOptions
	charter federation.Charter
	plan    federation.Plan
	key     ed25519.PrivateKey
	id      federation.HospitalID
	store   *local.Bucket
	http    *http.Client

	params, delta []float32 // memory of the round before
	buffer        []byte
}

func runPlainHospital(ctx context.Context, o plainOptions, c config) error {
	h := plainHospital{plainOptions: o}
	cfg := client.Config{Addresses: c.items("coordinator")}
	if err := loadTLS(&cfg, c); err != nil {
		return err
	}
	var err error
	if h.charter, h.plan, err = plainSide(c); err != nil {
		return err
	}
	tuneCollector(h.plan)
	if h.key, err = setup.LoadIdentity(c.text("identity_key")); err != nil {
		return err
	}
	h.id = federation.NewHospitalID(h.charter.Federation, h.key.Public().(ed25519.PublicKey))
	if h.store, err = local.Create(filepath.Join(o.dir, "plain-"+c.text("name"))); err != nil {
		return err
	}
	defer h.store.Close()
	h.http = &http.Client{Transport: &http.Transport{TLSClientConfig: cfg.TLS}}
	for number := 1; number <= o.rounds && ctx.Err() == nil; number++ {
		if err := h.round(ctx, number); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

func (h *plainHospital) round(ctx context.Context, number int) error {
	base, err := h.model(ctx, number)
	if err != nil {
		return err
	}
	join := federation.Encode(envelope.SignMessage(h.key, h.charter.Federation, federation.Join{V: 1, Header: base, Hospital: h.id, Counter: uint64(number)}))
	if err := h.send(ctx, http.MethodPost, fmt.Sprintf("join/%d", number), join, federation.Digest{}); err != nil {
		return err
	}
	h.delta = benchDelta(h.delta, len(h.params), uint64(number))
	s := federation.Submission{V: 1, Manifest: base, Hospital: h.id}
	for rest := h.delta; len(rest) > 0; {
		part := rest[:min(plainSegment/4, len(rest))]
		rest = rest[len(part):]
		h.buffer = h.buffer[:0]
		for _, v := range part {
			h.buffer = binary.LittleEndian.AppendUint32(h.buffer, math.Float32bits(v))
		}
		digest, err := storage.PutBlob(ctx, h.store, h.buffer)
		if err != nil {
			return err
		}
		s.Segments = append(s.Segments, digest)
	}
	signed := federation.Encode(envelope.SignMessage(h.key, h.charter.Federation, s))
	if _, err := storage.PutBlob(ctx, h.store, signed); err != nil {
		return err
	}
	for index, digest := range s.Segments {
		body := h.buffer
		if index+1 < len(s.Segments) { // the last one is at hand
			if body, err = h.store.Get(ctx, storage.Blob(digest), 0, -1); err != nil {
				return err
			}
		}
		if err := h.send(ctx, http.MethodPut, fmt.Sprintf("update/%d/%s/%d", number, h.id, index), body, digest); err != nil {
			return err
		}
	}
	return h.send(ctx, http.MethodPost, fmt.Sprintf("submit/%d", number), signed, federation.Digest{})
}

// model waits for the snapshot of a round and verifies it; the server may not be there
// yet at the first.
func (h *plainHospital) model(ctx context.Context, number int) (federation.Digest, error) {
	var base federation.Digest
	response, err := h.get(ctx, "model/"+strconv.Itoa(number))
	if err != nil {
		return base, err
	}
	defer response.Body.Close()
	hash := sha256.New()
	snapshot, params, _, err := models.DecodeForPlan(h.plan, io.TeeReader(response.Body, hash), h.params)
	if err != nil {
		return base, fmt.Errorf("model of round %d: status %s: %w", number, response.Status, err)
	}
	h.params, base = params, federation.Digest(hash.Sum(nil))
	if base.String() != response.Header.Get("Snapshot") || models.ParametersDigest(snapshot).String() != response.Header.Get("Parameters") {
		return base, fmt.Errorf("model of round %d: %w", number, storage.ErrDigest)
	}
	return base, nil
}

func (h *plainHospital) get(ctx context.Context, path string) (*http.Response, error) {
	for attempt := 0; ; attempt++ {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+h.address+"/"+path, nil)
		if err != nil {
			return nil, err
		}
		response, err := h.http.Do(request)
		if err == nil || attempt == 100 || ctx.Err() != nil {
			return response, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (h *plainHospital) send(ctx context.Context, method, path string, body []byte, digest federation.Digest) error {
	request, err := http.NewRequestWithContext(ctx, method, "https://"+h.address+"/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Digest", digest.String())
	response, err := h.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1024))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", text)
	}
	if err != nil {
		return fmt.Errorf("%s: status %s: %w", path, response.Status, err)
	}
	return nil
}
