package external

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"syscall"

	"atrium/client/train"
	"atrium/coordinator/federation"
	"atrium/storage/models"
)

// Names of files in the working directory.
const (
	parametersFile = "parameters.safetensors"
	recordsFile    = "records.safetensors"
	correctionFile = "correction.safetensors"
	resultFile     = "result.safetensors"
)

// Names of tensors that are no parameters.
const (
	inputsTensor = "x"
	labelsTensor = "y"
	scoresTensor = "scores"
)

// directory is where daemon and program hand files to each other. Neither end of a name
// leads out of it.
type directory struct{ root *os.Root }

func openDirectory(path string) (directory, error) {
	root, err := os.OpenRoot(path)
	return directory{root}, err
}

// close takes the files of a task away: records must not lie about.
func (d directory) close() {
	for _, name := range []string{parametersFile, recordsFile, correctionFile, resultFile} {
		_ = d.root.RemoveAll(name)
	}
	_ = d.root.Close()
}

func (d directory) write(name string, tensors ...models.Tensor) error {
	s := models.Snapshot{Tensors: tensors}
	if err := s.Validate(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := d.root.RemoveAll(name); err != nil {
		return err
	}
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(models.Encode(s))
	return errors.Join(err, f.Close())
}

// read decodes the result, of which the tensors have so many bytes.
func (d directory) read(bytes int) (models.Snapshot, error) {
	f, err := d.root.OpenFile(resultFile, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not make the daemon wait
	if err != nil {
		return models.Snapshot{}, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	defer f.Close()
	info, err := f.Stat()
	limit := int64(bytes) + models.MaxHeaderBytes
	switch {
	case err != nil:
		return models.Snapshot{}, err
	case !info.Mode().IsRegular():
		return models.Snapshot{}, fmt.Errorf("%s: %w: not a file", resultFile, ErrProtocol)
	case info.Size() > limit:
		return models.Snapshot{}, fmt.Errorf("%s: %w: %d bytes, want at most %d", resultFile, ErrProtocol, info.Size(), limit)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return models.Snapshot{}, err
	}
	s, err := models.Decode(b)
	if err != nil {
		return s, fmt.Errorf("%s: %w: %w", resultFile, ErrProtocol, err)
	}
	return s, nil
}

// readParameters returns the flat vector of the result, which has these tensors and no
// other; models.Decode refused what is not finite.
func (d directory) readParameters(want []federation.Tensor) ([]float32, error) {
	n := 0
	for _, t := range want {
		n += t.Size()
	}
	s, err := d.read(4 * n)
	if err != nil {
		return nil, err
	}
	if len(s.Tensors) != len(want) {
		return nil, fmt.Errorf("%s: %w: %d tensors, want %d", resultFile, ErrProtocol, len(s.Tensors), len(want))
	}
	params := make([]float32, 0, n)
	for _, t := range want {
		have, ok := s.Tensor(t.Name)
		if !ok || have.F32 == nil || !slices.Equal(have.Shape, t.Shape) {
			return nil, fmt.Errorf("%s: %w: tensor %s is missing, not F32, or of shape %v: want %v", resultFile, ErrProtocol, t.Name, have.Shape, t.Shape)
		}
		params = append(params, have.F32...)
	}
	return params, nil
}

// readScores returns the scores of the result, of a shape.
func (d directory) readScores(shape []int) ([]float64, error) {
	s, err := d.read(8 * federation.Tensor{Shape: shape}.Size())
	if err != nil {
		return nil, err
	}
	have, ok := s.Tensor(scoresTensor)
	if !ok || len(s.Tensors) != 1 || !slices.Equal(have.Shape, shape) {
		return nil, fmt.Errorf("%s: %w: want the one tensor %s of shape %v", resultFile, ErrProtocol, scoresTensor, shape)
	}
	scores := have.F64
	for _, v := range have.F32 {
		scores = append(scores, float64(v))
	}
	for i, v := range scores {
		if !(v >= 0 && v <= 1) {
			return nil, fmt.Errorf("%s: %w: score %d is %v, want 0 to 1", resultFile, ErrProtocol, i, v)
		}
	}
	return scores, nil
}

// job is what a task works on; labels and correction may be nil.
type job struct {
	params, correction, x, y []float32
	rows                     int
}

// write makes the files of a job and names them in its request.
func (j job) write(d directory, p federation.Plan, q *request) error {
	q.Parameters, q.Records, q.Result = parametersFile, recordsFile, resultFile
	records := []models.Tensor{{Name: inputsTensor, Shape: append([]int{j.rows}, inputShape(p)...), F32: j.x}}
	if j.y != nil {
		records = append(records, models.Tensor{Name: labelsTensor, Shape: labelShape(p, j.rows), F32: j.y})
	}
	err := errors.Join(d.write(parametersFile, parts(p, j.params)...), d.write(recordsFile, records...))
	if err == nil && j.correction != nil {
		q.Correction = correctionFile
		err = d.write(correctionFile, parts(p, j.correction)...)
	}
	if errors.Is(err, models.ErrSnapshot) && slices.ContainsFunc(j.params, func(v float32) bool { return !finite(v) }) {
		return fmt.Errorf("%w: %w", train.ErrNotFinite, err)
	}
	return err
}

// parts cuts a flat vector into the plan's tensors.
func parts(p federation.Plan, values []float32) []models.Tensor {
	var list []models.Tensor
	for _, t := range p.Tensors() {
		n := t.Size()
		list = append(list, models.Tensor{Name: t.Name, Shape: t.Shape, F32: values[:n:n]})
		values = values[n:]
	}
	return list
}

func finite(x float32) bool { return !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0) }
