package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"atrium/client"
)

// plainHospital takes part in plain rounds.
type plainHospital struct {
	plainOptions
	name string
	http *http.Client
}

func runPlainHospital(ctx context.Context, o plainOptions, c config) error {
	cfg := client.Config{Addresses: c.items("coordinator")}
	if err := loadTLS(&cfg, c); err != nil {
		return err
	}
	h := plainHospital{o, c.text("name"), &http.Client{Transport: &http.Transport{TLSClientConfig: cfg.TLS}}}
	for number := 1; number <= o.rounds && ctx.Err() == nil; number++ {
		if err := h.round(ctx, number); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

func (h plainHospital) round(ctx context.Context, number int) error {
	model, err := h.model(ctx, number)
	if err != nil {
		return err
	}
	delta := benchDelta(len(model), uint64(number))
	buffer := make([]byte, 0, min(plainSegment, 4*len(delta)))
	for index := 0; len(delta) > 0; index++ {
		part := delta[:min(plainSegment/4, len(delta))]
		delta = delta[len(part):]
		buffer = buffer[:0]
		for _, v := range part {
			buffer = binary.LittleEndian.AppendUint32(buffer, math.Float32bits(v))
		}
		if err := h.send(ctx, http.MethodPut, fmt.Sprintf("update/%d/%s/%d", number, h.name, index), buffer); err != nil {
			return err
		}
	}
	return h.send(ctx, http.MethodPost, fmt.Sprintf("done/%d", number), nil)
}

// model waits for the model of a round; the server may not be there yet at the first.
func (h plainHospital) model(ctx context.Context, number int) ([]float32, error) {
	var response *http.Response
	for attempt := 0; ; attempt++ {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("https://%s/model/%d", h.address, number), nil)
		if err != nil {
			return nil, err
		}
		if response, err = h.http.Do(request); err == nil {
			break
		}
		if attempt == 100 || ctx.Err() != nil {
			return nil, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer response.Body.Close()
	params, buffer := make([]float32, 0, h.params), make([]byte, 1<<20)
	for len(params) < h.params {
		n, err := io.ReadFull(response.Body, buffer[:min(len(buffer), 4*(h.params-len(params)))])
		if err != nil {
			return nil, errors.Join(err, fmt.Errorf("model of round %d: status %s", number, response.Status))
		}
		for i := 0; i < n; i += 4 {
			params = append(params, math.Float32frombits(binary.LittleEndian.Uint32(buffer[i:])))
		}
	}
	return params, nil
}

func (h plainHospital) send(ctx context.Context, method, path string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, method, "https://"+h.address+"/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	digest := sha256.Sum256(body)
	request.Header.Set("Digest", hex.EncodeToString(digest[:]))
	response, err := h.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(io.LimitReader(response.Body, 1024)); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %s: %s: %w", path, response.Status, text, errors.Join(err))
	}
	return nil
}
