package dataset

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// NPY is NumPy's format for one array (NEP 1, versions 1.0 and 2.0): here in C order,
// little-endian, of the types that npyTypes lists.
type npyHeader struct {
	kind  npyType
	shape []int
}

// npyType is how one value is stored.
type npyType struct {
	name string
	size int
	read func([]byte) float64
}

var npyTypes = []npyType{
	{"<f4", 4, func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }},
	{"<f8", 8, func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }},
	{"|u1", 1, func(b []byte) float64 { return float64(b[0]) }},
	{"<i2", 2, func(b []byte) float64 { return float64(int16(binary.LittleEndian.Uint16(b))) }},
	{"<i4", 4, func(b []byte) float64 { return float64(int32(binary.LittleEndian.Uint32(b))) }},
	{"<i8", 8, func(b []byte) float64 { return float64(int64(binary.LittleEndian.Uint64(b))) }},
}

const npyMagic = "\x93NUMPY"

// npyText is the header as NumPy writes it.
var npyText = regexp.MustCompile(`^\{'descr': '([^']{1,8})', 'fortran_order': (False|True), 'shape': \(([0-9, ]{0,80})\), \} *\n$`)

// errNPY is a reason without the file's name.
func errNPY(format string, args ...any) error { return fmt.Errorf(format, args...) }

// readNPYHeader reads up to the first value.
func readNPYHeader(r io.Reader) (npyHeader, error) {
	var h npyHeader
	var start [10]byte
	if _, err := io.ReadFull(r, start[:8]); err != nil || string(start[:6]) != npyMagic {
		return h, orRead(err, "no NPY file: it does not begin with the bytes \\x93NUMPY")
	}
	lengthBytes := 2
	if start[6] == 2 {
		lengthBytes = 4
	}
	if start[6] != 1 && start[6] != 2 || start[7] != 0 {
		return h, errNPY("NPY version %d.%d: want 1.0 or 2.0", start[6], start[7])
	}
	var length [4]byte
	if _, err := io.ReadFull(r, length[:lengthBytes]); err != nil {
		return h, orRead(err, "the header ends early")
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n > maxNPYHeader {
		return h, errNPY("header of %d bytes, at most %d", n, maxNPYHeader)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return h, orRead(err, "the header ends early")
	}
	return h, h.parse(string(text))
}

// orRead keeps the refusal of a bound and says everything else in words.
func orRead(err error, words string) error {
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return errors.New(words)
}

func (h *npyHeader) parse(text string) error {
	m := npyText.FindStringSubmatch(text)
	if m == nil {
		return errNPY("the header is not as numpy.save writes it: %s", quote(text))
	}
	var names []string
	for _, t := range npyTypes {
		if t.name == m[1] {
			h.kind = t
		}
		names = append(names, t.name)
	}
	if h.kind.size == 0 {
		return errNPY("values of type %s: want %s", m[1], strings.Join(names, ", "))
	}
	if m[2] == "True" {
		return errNPY("values in Fortran order: save numpy.ascontiguousarray of the array")
	}
	for _, d := range strings.Split(strings.TrimSuffix(strings.ReplaceAll(m[3], " ", ""), ","), ",") {
		n, err := strconv.ParseUint(d, 10, 31)
		if err != nil {
			return errNPY("shape (%s)", m[3])
		}
		h.shape = append(h.shape, int(n))
	}
	return nil
}

// npyValues reads one record after another.
type npyValues struct {
	r    *bufio.Reader
	kind npyType
	raw  []byte
}

func (v *npyValues) next(record []float64) error {
	if need := len(record) * v.kind.size; len(v.raw) != need {
		v.raw = make([]byte, need)
	}
	if _, err := io.ReadFull(v.r, v.raw); err != nil {
		return orRead(err, "the file ends early")
	}
	for i := range record {
		record[i] = v.kind.read(v.raw[i*v.kind.size:])
	}
	return nil
}

// end reports whether something follows the last value.
func (v *npyValues) end() error {
	if _, err := v.r.ReadByte(); err == nil {
		return errors.New("bytes behind the last value")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// writeNPYHeader writes the header of an array; values follow it.
func writeNPYHeader(w io.Writer, kind string, shape []int) error {
	dims := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(shape)), ", "), "[]")
	if len(shape) == 1 {
		dims += ","
	}
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", kind, dims)
	pad := 64 - (len(npyMagic)+4+len(text)+1)%64
	text += strings.Repeat(" ", pad%64) + "\n"
	head := append([]byte(npyMagic), 1, 0)
	head = binary.LittleEndian.AppendUint16(head, uint16(len(text)))
	_, err := w.Write(append(head, text...))
	return err
}
