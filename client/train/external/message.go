package external

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"atrium/coordinator/federation"
)

// protocolVersion is what both ends must speak.
const protocolVersion = 1

// request is a line to the program; package external says what its keys mean.
type request struct {
	ID       int64               `json:"id"`
	Do       string              `json:"do"` // hello, train or score
	Protocol int                 `json:"protocol,omitempty"`
	Inputs   []int               `json:"inputs,omitempty"`
	Classes  int                 `json:"classes,omitempty"`
	Positive int                 `json:"positive,omitempty"`
	Labels   int                 `json:"labels,omitempty"`
	Tensors  []federation.Tensor `json:"tensors,omitempty"`
	Base     string              `json:"base,omitempty"`

	Parameters string            `json:"parameters,omitempty"`
	Records    string            `json:"records,omitempty"`
	Correction string            `json:"correction,omitempty"`
	Result     string            `json:"result,omitempty"`
	Seed       *uint64           `json:"seed,omitempty"`
	Local      *federation.Local `json:"local,omitempty"`
}

// reply is a line from the program.
type reply struct {
	ID         int64               `json:"id"`
	Error      string              `json:"error,omitempty"`
	Protocol   int                 `json:"protocol,omitempty"`
	Tensors    []federation.Tensor `json:"tensors,omitempty"`
	Correction bool                `json:"correction,omitempty"`
	Loss       *float64            `json:"loss,omitempty"`
}

func encodeRequest(q request) ([]byte, error) {
	line := append(federation.Encode(q), '\n')
	if len(line) > MaxLine {
		return nil, fmt.Errorf("task of %d bytes: at most %d", len(line), MaxLine)
	}
	return line, nil
}

// decodeReply reads one line: one JSON object with the keys of a reply and no others.
func decodeReply(line []byte) (reply, error) {
	var r reply
	if len(line) > MaxLine {
		return r, fmt.Errorf("%w: line of more than %d bytes", ErrProtocol, MaxLine)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return reply{}, fmt.Errorf("%w: %.80q: %w", ErrProtocol, line, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return reply{}, fmt.Errorf("%w: %.80q: more than one JSON object", ErrProtocol, line)
	}
	switch {
	case len(r.Error) > MaxError:
		r.Error = strings.ToValidUTF8(r.Error[:MaxError], "") + "…"
	case len(r.Tensors) > federation.MaxTrained:
		return reply{}, fmt.Errorf("%w: %d tensors", ErrProtocol, len(r.Tensors))
	case r.Loss != nil && (math.IsNaN(*r.Loss) || math.IsInf(*r.Loss, 0)):
		return reply{}, fmt.Errorf("%w: loss %v", ErrProtocol, *r.Loss)
	}
	return r, nil
}
