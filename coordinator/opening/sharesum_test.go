package opening

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/coordinator/federation"
	"atrium/privacy/shamir"
	"atrium/storage/storagetest"
)

// TestNoShareSum: what a custodian signed that is no share sum counts as a wrong one, by its
// name, whatever is the matter with it; what cannot be read is an error of the store.
func TestNoShareSum(t *testing.T) {
	s := seal(t, storagetest.NewMemory(), 3000, 3, false, 3)
	good := shamir.Marshal(s.sends[1].ByGroup[0])
	large := append([]byte(nil), good...)
	large[1], large[2] = 0xff, 0xff
	blobs := map[federation.Digest][]byte{}
	put := func(blob []byte) []federation.Digest {
		blobs[federation.Sum(blob)] = blob
		return []federation.Digest{federation.Sum(blob)}
	}
	get := func(d federation.Digest) ([]byte, error) { return blobs[d], nil }
	for name, sums := range map[string][]federation.Digest{
		"one byte short":           put(good[:len(good)-1]),
		"one byte more":            put(append(append([]byte(nil), good...), 0)),
		"nothing":                  put(nil),
		"an element that is none":  put(large),
		"of another version":       put(append([]byte{9}, good[1:]...)),
		"not one of its group":     {{}},
		"none":                     {},
		"two, where there is one":  append(put(good), put(good)...),
		"wrong, but a share sum":   put(append([]byte{1}, make([]byte, len(good)-1)...)),
		"as long as may be looked": put(make([]byte, MaxShareSumBytes)),
	} {
		read, err := ReadShareSums(federation.Send{Custodian: "h-b", ShareSums: sums}, s.round.Candidate.Groups, s.params.N(), get)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sends := append([]ShareSums(nil), s.sends...)
		sends[1] = read
		s.add(t)
		sum, err := Open(t.Context(), s.bucket, s.round, sends)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s.check(t, sum, 0)
		if diff := cmp.Diff([]federation.HospitalID{"h-b"}, sum.Wrong) + cmp.Diff([]federation.HospitalID{"h-a", "h-c", "h-d"}, sum.Used); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", name, diff)
		}
		few, err := Open(t.Context(), s.bucket, s.round, sends[:3])
		if !errors.Is(err, ErrNotOpened) || few.Final || (read.ByGroup[0] == nil) != (len(few.Wrong) == 1) {
			t.Errorf("%s among three: wrong %v, %v", name, few.Wrong, err)
		}
	}
	lost := errors.New("lost")
	if _, err := ReadShareSums(federation.Send{ShareSums: put(good)}, s.round.Candidate.Groups, s.params.N(),
		func(federation.Digest) ([]byte, error) { return nil, lost }); !errors.Is(err, lost) {
		t.Errorf("a share sum that is lost: %v", err)
	}
}
