package simulate

import (
	"strings"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/privacy/envelope"
)

// costs are the bytes of what travels in a round.
type costs struct {
	header     int64
	base       int64 // snapshot of the base version
	manifest   int64
	ciphertext int64
	segments   int // of a ciphertext
	envelope   int64
	shareSum   int64 // of one group
}

// cosignature stands for a signed-note line of its length.
var cosignature = strings.Repeat("c", 170)

// shareBytes are those of one coefficient of a share.
const shareBytes = 2

func costsOf(h federation.Header, c federation.Charter, base int64) (costs, error) {
	params, err := opening.Parameters(h.Ring)
	if err != nil {
		return costs{}, err
	}
	out := costs{header: int64(len(federation.Encode(h))), ciphertext: int64(params.CiphertextBytes()),
		segments: len(params.Segments(opening.SegmentTarget)), shareSum: int64(shareBytes * params.N())}
	if !h.Base.IsZero() {
		out.base = base
	}
	out.envelope = out.shareSum + envelope.Overhead
	return out, nil
}

// size is that of a message with its signature.
func size(by federation.HospitalID, body any) int64 {
	return int64(len(federation.Encode(signed(by, body))))
}

// submission is the size of a signed submission.
func (c costs) submission(charter federation.Charter) int64 {
	id := charter.Members[0].ID
	return size(id, federation.Submission{V: 1, Hospital: id, Segments: make([]federation.Digest, c.segments), Envelopes: make([]federation.Digest, len(charter.Custodians))})
}
