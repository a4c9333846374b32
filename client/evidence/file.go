package evidence

import (
	"fmt"
	"strconv"
	"strings"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
)

// File is what is kept; its canonical bytes are the file.
type File struct {
	V          int                 `json:"v"`          // 1
	Checkpoint string              `json:"checkpoint"` // a signed note
	Index      int64               `json:"index"`      // of the entry
	Entry      []byte              `json:"entry"`      // canonical bytes
	Inclusion  []federation.Digest `json:"inclusion"`  // of the entry under the checkpoint
	Header     []byte              `json:"header"`     // canonical bytes, which the manifest names
	Manifest   []byte              `json:"manifest"`   // canonical bytes, which the candidate names
	Candidate  []byte              `json:"candidate"`  // canonical bytes, which the entry or the messages below name

	Readies []federation.Signed `json:"readies,omitempty"`
	Vouches []federation.Signed `json:"vouches,omitempty"`
	Sends   []federation.Signed `json:"sends,omitempty"`
	Result  []byte              `json:"result,omitempty"` // canonical bytes, that the custodian came to

	Objection federation.Signed `json:"objection"`
}

// Decode reads a file; nothing in it is verified.
func Decode(b []byte) (File, error) {
	f, err := federation.Decode[File](b, MaxFileBytes)
	if err == nil && f.V != 1 {
		err = fmt.Errorf("evidence of format %d: this program reads 1", f.V)
	}
	return f, err
}

// Things that an objection is about.
const (
	Base       = "base"            // snapshot of the version that a header names
	BaseValues = "base parameters" // of it
	Result     = "result"
	Version    = "version"
	Snapshot   = "snapshot"
	Parameters = "parameters"
	Groups     = "groups"
	sumOf      = "ciphertext sum of group "
)

// SumOf is the ciphertext sum of a group.
func SumOf(group int) string { return sumOf + strconv.Itoa(group) }

// None stands for what is not there: no version, no result.
const None = "none"

// Unnamed is what follows where a custodian can tell that it is another, and not which.
const Unnamed = "another"

func digestText(d federation.Digest) string {
	if d.IsZero() {
		return None
	}
	return d.String()
}

func groupsText(groups []int) string {
	var list []string
	for _, g := range groups {
		list = append(list, strconv.Itoa(g))
	}
	return orNone(strings.Join(list, ", "))
}

func orNone(text string) string {
	if text == "" {
		return None
	}
	return text
}

// statement is one thing that an entry, or what it names, says.
type statement struct{ what, says string }

// outcome is what an entry, or a custodian, says that followed from an opened candidate.
func outcome(result federation.Digest, version uint64, snapshot, parameters federation.Digest, groups []int) []statement {
	number := None
	if version > 0 {
		number = strconv.FormatUint(version, 10)
	}
	return []statement{{Result, digestText(result)}, {Version, number}, {Snapshot, digestText(snapshot)},
		{Parameters, digestText(parameters)}, {Groups, groupsText(groups)}}
}

// Outcome lists what differs between what the log says of an opened candidate and what a
// custodian derived.
func Outcome(e round.Entry, derived federation.Derived, result opening.Result) []federation.Difference {
	says := says(e, federation.Header{}, federation.Candidate{})
	var list []federation.Difference
	for i, follows := range outcome(derived.Result, derived.Version, derived.Snapshot, derived.Parameters, held(result)) {
		if says[i].says != follows.says {
			list = append(list, federation.Difference{What: follows.what, Says: says[i].says, Follows: follows.says})
		}
	}
	return list
}

// held lists the groups of a result that are in its sum.
func held(r opening.Result) []int {
	var list []int
	for _, g := range r.Groups {
		if g.Reason == "" {
			list = append(list, g.Group)
		}
	}
	return list
}

// OtherBase lists what differs between the base of a header and the version of that number
// which a custodian has.
func OtherBase(h federation.Header, snapshot, parameters federation.Digest) []federation.Difference {
	var list []federation.Difference
	for _, d := range []struct {
		what          string
		says, follows federation.Digest
	}{{Base, h.Base, snapshot}, {BaseValues, h.Parameters, parameters}} {
		if d.says != d.follows {
			list = append(list, federation.Difference{What: d.what, Says: digestText(d.says), Follows: digestText(d.follows)})
		}
	}
	return list
}

// OtherSum says that C of a group is not what its members submitted.
func OtherSum(c federation.Candidate, group int, follows federation.Digest) []federation.Difference {
	d := federation.Difference{What: SumOf(group), Says: digestText(c.Sums[group]), Follows: Unnamed}
	if !follows.IsZero() {
		d.Follows = follows.String()
	}
	return []federation.Difference{d}
}

// says lists what an entry of the log, and what it names, says that a custodian can object to.
func says(e round.Entry, h federation.Header, c federation.Candidate) []statement {
	var list []statement
	switch e.Kind {
	case round.Publish:
		return outcome(e.Blob, e.Version, e.Snapshot, e.Parameters, e.Groups)
	case round.Abandon:
		return outcome(federation.Digest{}, 0, federation.Digest{}, federation.Digest{}, nil)
	case round.Candidate:
		list = append(list, statement{Base, digestText(h.Base)}, statement{BaseValues, digestText(h.Parameters)})
	}
	for g, sum := range c.Sums {
		list = append(list, statement{SumOf(g), digestText(sum)})
	}
	return list
}
