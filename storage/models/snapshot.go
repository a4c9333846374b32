package models

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"atrium/coordinator/federation"
)

// Folders of tensor names.
const (
	ModelFolder     = "model/"     // parameters, F32, named as federation.Plan.Tensors names them
	OptimiserFolder = "optimiser/" // the rule's own state, F32; plain FedAvg has none
)

// Preprocessing tensors: F64, one value a feature, in the order of the plan's features.
const (
	PreprocessingMean = "preprocessing/mean"
	PreprocessingSD   = "preprocessing/sd"
)

// Metadata keys.
const (
	MetadataFeatures = "features" // FormatNames of the features, in the order of the model's inputs
	MetadataLabel    = "label"    // the outcome column
	MetadataClasses  = "classes"  // FormatNames of the values of the label, or of the labels that are each 0 or 1
	MetadataState    = "state"    // StateKey of the plan that kept the rule's own state
	MetadataCounted  = "counted"  // canonical list of Counted, where hospitals keep state
	MetadataClip     = "clip"     // canonical list of TensorClip, where the clip follows the aggregate
)

// ErrSnapshot: the value or the bytes are no snapshot.
var ErrSnapshot = errors.New("invalid snapshot")

// Snapshot is all that is needed to apply a model and to train it further.
type Snapshot struct {
	Tensors  []Tensor // in any order; Decode returns the order of the file
	Metadata map[string]string
}

// Tensor is a named array of float32 or float64: exactly one of F32 and F64 is set
// and holds the product of Shape values, row major. An empty Shape is one value.
type Tensor struct {
	Name  string
	Shape []int
	F32   []float32
	F64   []float64
}

// Tensor returns the tensor of that name.
func (s Snapshot) Tensor(name string) (Tensor, bool) {
	for _, t := range s.Tensors {
		if t.Name == name {
			return t, true
		}
	}
	return Tensor{}, false
}

// Digest names the snapshot: the SHA-256 of Encode. It panics where Encode does.
func Digest(s Snapshot) federation.Digest {
	if err := s.Validate(); err != nil {
		panic("models: digest: " + err.Error())
	}
	return s.digest()
}

// digest is Digest of a snapshot that is valid, without a copy of it.
func (s Snapshot) digest() federation.Digest {
	tensors := canonicalOrder(s.Tensors)
	h := sha256.New()
	write(h, encodeHeader(s.Metadata, tensors), tensors)
	return federation.Digest(h.Sum(nil))
}

// ParametersDigest names the parameters of a valid snapshot alone: the digest of the one
// that has the tensors below ModelFolder and nothing else. The question of a train
// round is named by it, so it does not change with preprocessing, optimiser state or
// metadata.
func ParametersDigest(s Snapshot) federation.Digest {
	var only Snapshot
	for _, t := range s.Tensors {
		if strings.HasPrefix(t.Name, ModelFolder) {
			only.Tensors = append(only.Tensors, t.unsigned())
		}
	}
	return only.digest()
}

// unsigned is t with +0 for every -0: they are the same parameters.
func (t Tensor) unsigned() Tensor {
	for i, v := range t.F32 {
		if v == 0 && math.Signbit(float64(v)) {
			t.F32 = slices.Clone(t.F32)
			for j := i; j < len(t.F32); j++ {
				if t.F32[j] == 0 {
					t.F32[j] = 0
				}
			}
			break
		}
	}
	return t
}

// Validate checks names, shapes, sizes and that every value is finite. Errors wrap
// ErrSnapshot and name the tensor.
func (s Snapshot) Validate() error {
	if len(s.Tensors) > MaxTensors {
		return fmt.Errorf("%w: %d tensors, at most %d allowed", ErrSnapshot, len(s.Tensors), MaxTensors)
	}
	for key, value := range s.Metadata {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return fmt.Errorf("%w: metadata %q is not UTF-8", ErrSnapshot, key)
		}
	}
	seen, total := make(map[string]bool, len(s.Tensors)), 0
	for _, t := range s.Tensors {
		if err := t.validate(); err != nil {
			return fmt.Errorf("%w: tensor %q: %w", ErrSnapshot, t.Name, err)
		}
		if seen[t.Name] {
			return fmt.Errorf("%w: tensor %q appears twice", ErrSnapshot, t.Name)
		}
		seen[t.Name] = true
		total += t.bytes()
	}
	header := len(encodeHeader(s.Metadata, canonicalOrder(s.Tensors)))
	if header > MaxHeaderBytes {
		return fmt.Errorf("%w: header of %d bytes, at most %d allowed", ErrSnapshot, header, MaxHeaderBytes)
	}
	if total > MaxSnapshotBytes-8-header {
		return fmt.Errorf("%w: %d bytes of tensors, at most %d allowed", ErrSnapshot, total, MaxSnapshotBytes-8-header)
	}
	return nil
}

func (t Tensor) validate() error {
	if !validTensorName(t.Name) {
		return fmt.Errorf("name: want 1 to %d of a-z, 0-9 and ._-/", MaxTensorName)
	}
	if (t.F32 == nil) == (t.F64 == nil) {
		return errors.New("want exactly one of F32 and F64")
	}
	size, err := elements(t.Shape)
	if err != nil {
		return err
	}
	if have := len(t.F32) + len(t.F64); have != size {
		return fmt.Errorf("%d values for shape %v", have, t.Shape)
	}
	for i, x := range t.F32 {
		if math.Float32bits(x)&infinite == infinite {
			return fmt.Errorf("value %d is %v", i, x)
		}
	}
	for i, x := range t.F64 {
		if !finite(x) {
			return fmt.Errorf("value %d is %v", i, x)
		}
	}
	return nil
}

// infinite is the exponent of float32's NaN and infinities.
const infinite = 0xff << 23

// elements is the product of a shape whose dimensions are at least 1, bounded so
// that it cannot overflow.
func elements(shape []int) (int, error) {
	if len(shape) > MaxDimensions {
		return 0, fmt.Errorf("%d dimensions, at most %d allowed", len(shape), MaxDimensions)
	}
	n := 1
	for _, d := range shape {
		if d < 1 || d > MaxSnapshotBytes/n {
			return 0, fmt.Errorf("dimension %d of shape %v", d, shape)
		}
		n *= d
	}
	return n, nil
}

func validTensorName(s string) bool {
	return len(s) >= 1 && len(s) <= MaxTensorName && s != metadataKey &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789._-/") == ""
}

// FormatNames writes a list of names as a metadata value: a JSON array.
func FormatNames(names []string) string { return string(federation.Encode(names)) }

// ParseNames reads what FormatNames wrote.
func ParseNames(value string) ([]string, error) {
	var names []string
	if err := json.Unmarshal([]byte(value), &names); err != nil {
		return nil, fmt.Errorf("parse names %.80q: %w", value, err)
	}
	return names, nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
