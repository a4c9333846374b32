//go:build unix

package externaltest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"atrium/coordinator/federation"
	"atrium/storage/models"
)

// request and reply are the lines, as the protocol has them.
type request struct {
	ID         int64               `json:"id"`
	Do         string              `json:"do"`
	Tensors    []federation.Tensor `json:"tensors"`
	Labels     int                 `json:"labels"`
	Base       string              `json:"base"`
	Parameters string              `json:"parameters"`
	Records    string              `json:"records"`
	Correction string              `json:"correction"`
	Result     string              `json:"result"`
	Local      struct {
		Rate  float64 `json:"learning_rate"`
		Steps int     `json:"steps"`
	} `json:"local"`
}

type reply struct {
	ID         int64               `json:"id"`
	Error      string              `json:"error,omitempty"`
	Protocol   int                 `json:"protocol,omitempty"`
	Tensors    []federation.Tensor `json:"tensors,omitempty"`
	Correction bool                `json:"correction,omitempty"`
	Loss       *float64            `json:"loss,omitempty"`
}

// Main plays an act until standard input ends, and exits.
func Main(act string) {
	if err := play(act); err != nil {
		fmt.Fprintln(os.Stderr, "act:", err)
		os.Exit(3)
	}
	os.Exit(0)
}

// script is the other end of the conversation: logistic regression by plain gradient steps,
// but for what an act does in its place.
type script struct {
	act    string
	out    *os.File
	labels int
}

func play(act string) error {
	s := script{act: act, out: os.Stdout}
	if act == "deaf" {
		time.Sleep(time.Hour)
	}
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var q request
		if err := json.Unmarshal(line, &q); err != nil {
			return err
		}
		if q.Do == "hello" {
			s.labels = q.Labels
		}
		if err := s.answer(q); err != nil {
			return err
		}
	}
}

func (s script) say(r reply) error {
	_, err := s.out.Write(append(federation.Encode(r), '\n'))
	return err
}

func (s script) answer(q request) error {
	switch q.Do {
	case "hello":
		return s.hello(q)
	case "score":
		return s.score(q)
	}
	if done, err := s.misbehave(q); done || err != nil {
		return err
	}
	return s.train(q)
}

func (s script) hello(q request) error {
	r := reply{ID: q.ID, Protocol: 1, Tensors: q.Tensors, Correction: s.act != "plain"}
	switch s.act {
	case "version":
		r.Protocol = 2
	case "tensors":
		r.Tensors = append(r.Tensors, federation.Tensor{Name: "more", Shape: []int{1}})
	case "shapes":
		r.Tensors[0].Shape = []int{7}
	case "base":
		b, err := os.ReadFile(q.Base)
		if err != nil || string(b) != "the base" {
			return fmt.Errorf("base %q: %v", b, err)
		}
	case "refuse-hello":
		return s.say(reply{ID: q.ID, Error: "no such model here"})
	}
	return s.say(r)
}

// misbehave does what an act is about; done says that the task needs nothing more.
func (s script) misbehave(q request) (done bool, err error) {
	text := func(t string) (bool, error) { _, err := s.out.WriteString(t); return true, err }
	switch s.act {
	case "hang":
		time.Sleep(time.Hour)
	case "exit":
		os.Exit(7)
	case "garbage":
		return text("Epoch 1: loss 0.3\n")
	case "flaky": // once in the life of the directory around
		if _, err := os.Stat("../fell"); err != nil {
			if err := os.WriteFile("../fell", nil, 0o600); err != nil {
				return true, err
			}
			return text("Traceback (most recent call last):\n")
		}
	case "labels":
		records, err := read(q.Records)
		if err != nil {
			return true, err
		}
		y, _ := records.Tensor("y")
		return true, s.say(reply{ID: q.ID, Error: fmt.Sprintf("%d labels, y of %v", s.labels, y.Shape)})
	case "endless":
		return text(strings.Repeat("x", 1<<20))
	case "half":
		if _, err := s.out.WriteString(`{"id":2,`); err != nil {
			return true, err
		}
		os.Exit(0)
	case "twice":
		return text(fmt.Sprintf("{\"id\":%d,\"loss\":1}\n{\"id\":%d,\"loss\":1}\n", q.ID, q.ID+1))
	case "other-id":
		return true, s.say(reply{ID: q.ID - 1, Loss: new(float64)})
	case "unknown-key":
		return text(fmt.Sprintf("{\"id\":%d,\"loss\":1,\"accuracy\":1}\n", q.ID))
	case "nan-loss":
		return text(fmt.Sprintf("{\"id\":%d,\"loss\":NaN}\n", q.ID))
	case "no-loss":
		return true, s.say(reply{ID: q.ID})
	case "no-result":
		return true, s.say(reply{ID: q.ID, Loss: new(float64)})
	case "refuse":
		return true, s.say(reply{ID: q.ID, Error: "class weights are not for me"})
	case "fifo":
		if err := syscall.Mkfifo(q.Result, 0o600); err != nil {
			return true, err
		}
		return true, s.say(reply{ID: q.ID, Loss: new(float64)})
	case "link":
		if err := os.Symlink("/etc/passwd", q.Result); err != nil {
			return true, err
		}
		return true, s.say(reply{ID: q.ID, Loss: new(float64)})
	case "large-result":
		if err := os.WriteFile(q.Result, make([]byte, 8<<20), 0o600); err != nil {
			return true, err
		}
		return true, s.say(reply{ID: q.ID, Loss: new(float64)})
	case "memory":
		var held [][]byte
		for range 64 {
			held = append(held, make([]byte, 128<<20))
		}
		return true, fmt.Errorf("%d times 128 MiB were given", len(held))
	case "file":
		f, err := os.Create("huge")
		if err != nil {
			return true, err
		}
		return true, errors.Join(f.Truncate(2<<30), f.Close())
	case "stderr":
		for i := range StderrLines {
			fmt.Fprintf(os.Stderr, "line %d\n", i)
		}
		fmt.Fprintln(os.Stderr, strings.Repeat("y", 1<<20))
	case "environment":
		return true, s.say(reply{ID: q.ID, Error: strings.Join(os.Environ(), " ")})
	case "network":
		return true, s.say(reply{ID: q.ID, Error: network()})
	case "children":
		return true, s.children(q)
	case "escape":
		return true, s.say(reply{ID: q.ID, Error: escape()})
	}
	return false, nil
}

// StderrLines are those of act "stderr", before a very long one.
const StderrLines = 1000

// network tries to reach the address that the tester left in a file beside the program's
// directory, and looks at what interfaces there are.
func network() string {
	address, err := os.ReadFile("../address")
	if err != nil {
		return err.Error()
	}
	if c, err := net.DialTimeout("tcp", string(address), 3*time.Second); err == nil {
		c.Close()
		return "connected"
	}
	list, err := net.Interfaces()
	if err != nil {
		return err.Error()
	}
	for _, i := range list {
		if i.Flags&net.FlagUp != 0 {
			return "interface " + i.Name + " is up"
		}
	}
	return "no way out"
}

// escape tries to enter the network of the machine and the memory of the daemon.
func escape() string {
	pid := strings.TrimSpace(string(must(os.ReadFile("../pid"))))
	if f, err := os.Open("/proc/" + pid + "/mem"); err == nil {
		f.Close()
		return "the daemon's memory is open"
	}
	if f, err := os.Open("/proc/" + pid + "/ns/net"); err == nil {
		f.Close()
		return "the daemon's network is open"
	}
	if os.Geteuid() == 0 {
		return "it is root"
	}
	return "no way in"
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// children leaves a child in another session that writes a file as long as it lives.
func (s script) children(q request) error {
	child := exec.Command("/bin/sh", "-c", "while :; do date +%N > alive; sleep 0.02; done")
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return err
	}
	for i := 0; ; i++ {
		if _, err := os.Stat("alive"); err == nil {
			break
		}
		if i > 500 {
			return errors.New("no child")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return s.say(reply{ID: q.ID, Error: "a child is left"})
}

func read(name string) (models.Snapshot, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return models.Snapshot{}, err
	}
	return models.Decode(b)
}

// train takes steps of logistic regression; what is written in the end depends on the act.
func (s script) train(q request) error {
	params, err := read(q.Parameters)
	if err != nil {
		return err
	}
	records, err := read(q.Records)
	if err != nil {
		return err
	}
	weight, _ := params.Tensor("weight")
	bias, _ := params.Tensor("bias")
	x, _ := records.Tensor("x")
	y, _ := records.Tensor("y")
	w := append(append([]float32(nil), weight.F32...), bias.F32...)
	correction := make([]float32, len(w))
	if q.Correction != "" {
		c, err := read(q.Correction)
		if err != nil {
			return err
		}
		a, _ := c.Tensor("weight")
		b, _ := c.Tensor("bias")
		copy(correction, append(append([]float32(nil), a.F32...), b.F32...))
	}
	var loss float64
	for range q.Local.Steps {
		loss = step(w, x.F32, y.F32, correction, q.Local.Rate)
	}
	n := len(w) - 1
	result := []models.Tensor{{Name: "weight", Shape: []int{n}, F32: w[:n]}, {Name: "bias", Shape: []int{1}, F32: w[n:]}}
	switch s.act {
	case "nan":
		b := models.Encode(models.Snapshot{Tensors: result})
		copy(b[len(b)-4:], []byte{0, 0, 0xc0, 0x7f})
		if err := os.WriteFile(q.Result, b, 0o600); err != nil {
			return err
		}
		return s.say(reply{ID: q.ID, Loss: &loss})
	case "wrong-shape":
		result[0].Shape = []int{1, n}
	case "wrong-name":
		result[1].Name = "beta"
	case "one-more":
		result = append(result, models.Tensor{Name: "more", Shape: []int{1}, F32: []float32{1}})
	case "wide":
		result[1] = models.Tensor{Name: "bias", Shape: []int{1}, F64: []float64{0}}
	}
	if err := os.WriteFile(q.Result, models.Encode(models.Snapshot{Tensors: result}), 0o600); err != nil {
		return err
	}
	return s.say(reply{ID: q.ID, Loss: &loss})
}

func step(w, x, y, correction []float32, rate float64) (loss float64) {
	n, g := len(w)-1, make([]float64, len(w))
	for i := range y {
		z := logit(w, x[i*n:(i+1)*n])
		d := sigmoid(z) - float64(y[i])
		loss += math.Log1p(math.Exp(-math.Abs(z))) + math.Max(z, 0) - float64(y[i])*z
		for j := range n {
			g[j] += d * float64(x[i*n+j])
		}
		g[n] += d
	}
	for j := range w {
		w[j] -= float32(rate * (g[j]/float64(len(y)) + float64(correction[j])))
	}
	return loss / float64(len(y))
}

func logit(w, row []float32) float64 {
	z := float64(w[len(row)])
	for j, v := range row {
		z += float64(w[j]) * float64(v)
	}
	return z
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

func (s script) score(q request) error {
	params, err := read(q.Parameters)
	if err != nil {
		return err
	}
	records, err := read(q.Records)
	if err != nil {
		return err
	}
	weight, _ := params.Tensor("weight")
	bias, _ := params.Tensor("bias")
	x, _ := records.Tensor("x")
	w, n := append(append([]float32(nil), weight.F32...), bias.F32...), len(weight.F32)
	scores := make([]float64, x.Shape[0])
	for i := range scores {
		scores[i] = sigmoid(logit(w, x.F32[i*n:(i+1)*n]))
	}
	switch s.act {
	case "certain":
		scores[0] = 1.5
	case "fewer":
		scores = scores[1:]
	}
	shape := []int{len(scores)}
	if s.labels > 0 {
		shape = append(shape, s.labels)
		for range (s.labels - 1) * shape[0] {
			scores = append(scores, 0.25)
		}
	}
	if err := os.WriteFile(q.Result, models.Encode(models.Snapshot{Tensors: []models.Tensor{{Name: "scores", Shape: shape, F64: scores}}}), 0o600); err != nil {
		return err
	}
	return s.say(reply{ID: q.ID})
}
