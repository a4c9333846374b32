package opening

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"atrium/aggregation/fixedpoint"
	"atrium/coordinator/federation"
	"atrium/privacy/he"
	"atrium/privacy/shamir"
	"atrium/storage"
	"atrium/storage/local"
	"atrium/storage/storagetest"
)

// sealed is a round whose updates are stored, with what its sum must be.
type sealed struct {
	round  Round
	sends  []ShareSums
	bucket storage.Bucket
	params *he.Parameters
	plain  [][]uint64 // by group
}

// seal makes a round of groups of these sizes with vectors of count counts, all of a
// group encrypted under keys of their own, or the same bytes for each if same is set.
func seal(t *testing.T, bucket storage.Bucket, count, largest int, same bool, sizes ...int) *sealed {
	t.Helper()
	ring, err := Ring(count, largest, 16)
	if err != nil {
		t.Fatal(err)
	}
	s := &sealed{bucket: bucket}
	if s.params, err = Parameters(ring); err != nil {
		t.Fatal(err)
	}
	s.round = Round{Charter: federation.Charter{Custodians: []federation.HospitalID{"h-a", "h-b", "h-c", "h-d"}, Threshold: 3},
		Header: federation.Header{V: 1, Round: 7, Kind: federation.Train, Ring: ring, Format: fixedpoint.Format{Bits: 16,
			Segments: []fixedpoint.Segment{{Name: "counts", Count: count, Encoding: fixedpoint.Count}}}},
		Manifest: federation.Sum([]byte("manifest")), Submissions: map[federation.HospitalID]federation.Submission{}}
	for _, c := range s.round.Charter.Custodians {
		s.sends = append(s.sends, ShareSums{Custodian: c, ByGroup: make([][]uint16, len(sizes))})
	}
	for g, n := range sizes {
		s.plain = append(s.plain, make([]uint64, count))
		var members []federation.Submitter
		var first federation.Submission
		var shares [][]uint16
		for i := range n {
			id := federation.HospitalID(fmt.Sprintf("h-%d-%03d", g, i))
			if i == 0 || !same {
				first, shares = s.encrypt(t, g, i)
			}
			submission := first
			submission.Hospital = id
			s.round.Submissions[id] = submission
			members = append(members, federation.Submitter{Hospital: id})
			if same {
				s.copySegments(t, submission)
			}
			for c := range s.sends {
				sums := s.sends[c].ByGroup
				if sums[g] == nil {
					sums[g] = make([]uint16, s.params.N())
				}
				if err := shamir.AddTo(sums[g], shares[c]); err != nil {
					t.Fatal(err)
				}
			}
			s.addPlain(g, i, same)
		}
		s.round.Candidate.Groups = append(s.round.Candidate.Groups, members)
	}
	return s
}

// field is what hospital i of group g sends at an index.
func field(g, i, index int) uint32 { return uint32((index*31 + i*1009 + g*77) % 65536) }

func (s *sealed) addPlain(g, i int, same bool) {
	if same {
		i = 0
	}
	for index := range s.plain[g] {
		s.plain[g][index] += uint64(field(g, i, index))
	}
}

func (s *sealed) encrypt(t *testing.T, g, i int) (federation.Submission, [][]uint16) {
	t.Helper()
	key, err := s.params.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	shares, err := shamir.Share(key.Coefficients(), s.round.Charter.Threshold, len(s.round.Charter.Custodians), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	submission := federation.Submission{V: 1, Hospital: federation.HospitalID(fmt.Sprintf("h-%d-%03d", g, i))}
	var wires [][]byte
	for _, segment := range s.params.Segments(SegmentTarget) {
		from, to := s.params.Fields(segment.First, segment.Last)
		fields := make([]uint32, to-from)
		for j := range fields {
			fields[j] = field(g, i, from+j)
		}
		wire, err := s.params.EncryptBlocks(nil, segment.First, segment.Last, federation.PublicSeed(s.round.Manifest, g), key, fields, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		submission.Segments = append(submission.Segments, federation.Sum(wire))
		wires = append(wires, wire)
	}
	s.put(t, submission, wires)
	return submission, shares
}

func (s *sealed) name(t *testing.T, submission federation.Submission, index int) string {
	t.Helper()
	name, err := storage.UpdateSegment(s.round.Header.Digest(), string(submission.Hospital), submission.UpdateRoot(), index)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func (s *sealed) put(t *testing.T, submission federation.Submission, wires [][]byte) {
	t.Helper()
	for i, wire := range wires {
		if err := storage.PutOnce(t.Context(), s.bucket, s.name(t, submission, i), wire); err != nil {
			t.Fatal(err)
		}
	}
}

// copySegments stores the segments of the first hospital of a group as another's.
func (s *sealed) copySegments(t *testing.T, to federation.Submission) {
	t.Helper()
	from := to
	from.Hospital = to.Hospital[:len("h-0-")] + "000"
	for i := range to.Segments {
		data, err := s.bucket.Get(t.Context(), s.name(t, from, i), 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if err := storage.PutOnce(t.Context(), s.bucket, s.name(t, to, i), data); err != nil {
			t.Fatal(err)
		}
	}
}

// garble replaces the last block of a hospital's update by another valid one.
func (s *sealed) garble(t *testing.T, id federation.HospitalID) {
	t.Helper()
	old := s.round.Submissions[id]
	var wires [][]byte
	for i := range old.Segments {
		data, err := s.bucket.Get(t.Context(), s.name(t, old, i), 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		wires = append(wires, data)
	}
	last := wires[len(wires)-1]
	last[len(last)-20] ^= 1
	garbled := old
	garbled.Segments = append(append([]federation.Digest{}, old.Segments[:len(old.Segments)-1]...), federation.Sum(last))
	s.round.Submissions[id] = garbled
	s.put(t, garbled, wires)
}

// check compares an opened sum with the plain one of these groups.
func (s *sealed) check(t *testing.T, sum Sum, groups ...int) {
	t.Helper()
	got := make([]float64, len(s.plain[0]))
	if err := sum.Values(got, 0); err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i, v := range got {
		want := uint64(0)
		for _, g := range groups {
			want += s.plain[g][i]
		}
		if v != float64(want) {
			wrong++
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d sums over groups %v are wrong", wrong, len(got), groups)
	}
}

// longVector has several parts in its segment; the last one is in the last part.
const longVector = 900_000

// add makes C, keeps it in the bucket and names it in the candidate.
func (s *sealed) add(t *testing.T) {
	t.Helper()
	s.round.Candidate.Sums = make([]federation.Digest, len(s.round.Candidate.Groups))
	for g, members := range s.round.Candidate.Groups {
		if len(members) == 0 {
			continue
		}
		sum, err := Add(t.Context(), s.bucket, s.round, g, Beside{Keep: keepIn(s.bucket)})
		if err != nil {
			t.Fatal(err)
		}
		s.round.Candidate.Sums[g] = sum
	}
}

func keepIn(b storage.Bucket) func(context.Context, federation.Digest, []byte) error {
	return func(ctx context.Context, digest federation.Digest, blob []byte) error {
		got, err := storage.PutBlob(ctx, b, append([]byte(nil), blob...))
		if err == nil && got != digest {
			err = fmt.Errorf("kept as %x under %s", got, digest)
		}
		return err
	}
}

// open adds C and opens it.
func (s *sealed) open(t *testing.T) (Sum, error) {
	t.Helper()
	s.add(t)
	return Open(t.Context(), s.bucket, s.round, s.sends)
}

func TestOpenInPartsAndFromTheSums(t *testing.T) {
	s := seal(t, storagetest.NewMemory(), longVector, 3, false, 3)
	if n := len(segments(s.params)[0].parts); n < 3 {
		t.Fatalf("the segment has %d parts: nothing is shown", n)
	}
	sum, err := s.open(t)
	if err != nil {
		t.Fatal(err)
	}
	s.check(t, sum, 0)
	if len(sum.Used) != 4 || len(sum.Wrong) != 0 || sum.Submitters != 3 {
		t.Errorf("used %v, wrong %v, %d submitters", sum.Used, sum.Wrong, sum.Submitters)
	}
	alone := storagetest.NewMemory() // what is at hand is not read; C is all that is opened
	again, err := Add(t.Context(), alone, s.round, 0, Beside{AtHand: s.atHand(t), Keep: keepIn(alone)})
	if err != nil || again != s.round.Candidate.Sums[0] {
		t.Fatalf("C is %s, from what is at hand %s: %v", s.round.Candidate.Sums[0].Short(), again.Short(), err)
	}
	if unkept, err := Add(t.Context(), s.bucket, s.round, 0, Beside{}); err != nil || unkept != again {
		t.Errorf("C is %s where nothing is kept: %v", unkept.Short(), err)
	}
	without, err := Open(t.Context(), alone, s.round, s.sends)
	if err != nil {
		t.Fatal(err)
	}
	s.check(t, without, 0)
	if diff := cmp.Diff(sum.Groups, without.Groups) + cmp.Diff(sum.Used, without.Used); diff != "" {
		t.Errorf("from C alone (-with ciphertexts +without):\n%s", diff)
	}
}

// TestOtherSum: a candidate that names what is not a sum, or is of other bytes, does not open
// and is no fault of the custodians.
func TestOtherSum(t *testing.T) {
	s := seal(t, storagetest.NewMemory(), 3000, 3, false, 3)
	s.add(t)
	raw, err := storage.GetBlob(t.Context(), s.bucket, s.round.Candidate.Sums[0], MaxListBytes)
	if err != nil {
		t.Fatal(err)
	}
	good, err := DecodeList(raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		blob []byte
		want error
	}{
		"no list":                {[]byte("{}"), ErrSum},
		"of another format":      {federation.Encode(List{V: 2, Segments: good.Segments}), ErrSum},
		"too few segments":       {federation.Encode(List{V: 1, Segments: []federation.Digest{}}), ErrSum},
		"too many segments":      {federation.Encode(List{V: 1, Segments: append(good.Segments, good.Segments[0])}), ErrSum},
		"a segment that is gone": {federation.Encode(List{V: 1, Segments: []federation.Digest{federation.Sum([]byte("gone"))}}), storage.ErrNotFound},
	} {
		changed := s.round
		digest, err := storage.PutBlob(t.Context(), s.bucket, c.blob)
		if err != nil {
			t.Fatal(err)
		}
		changed.Candidate.Sums = []federation.Digest{digest}
		if _, err := Open(t.Context(), s.bucket, changed, s.sends); !errors.Is(err, c.want) || errors.Is(err, ErrNotOpened) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	s.garble(t, "h-0-001") // what the hospital submitted is not what C was made of
	if other, err := Add(t.Context(), s.bucket, s.round, 0, Beside{}); err != nil || other == s.round.Candidate.Sums[0] {
		t.Errorf("C of other ciphertexts has the same digest: %v", err)
	}
}

// TestGarbledGroupLeavesNoTrace: what a group added before its last part turned out not
// to hold is taken back, whichever group comes first.
func TestGarbledGroupLeavesNoTrace(t *testing.T) {
	for bad := range 2 {
		s := seal(t, storagetest.NewMemory(), longVector, 3, false, 2, 3)
		s.garble(t, federation.HospitalID(fmt.Sprintf("h-%d-001", bad)))
		sum, err := s.open(t)
		if err != nil {
			t.Fatal(err)
		}
		good := 1 - bad
		s.check(t, sum, good)
		if sum.Groups[good].Reason != "" || !strings.Contains(sum.Groups[bad].Reason, "coefficient") || sum.Groups[bad].Submitters != 0 {
			t.Errorf("groups %+v", sum.Groups)
		}
		if !strings.Contains(sum.Note(), fmt.Sprintf("group %d: ", bad)) {
			t.Errorf("note %q of %+v", sum.Note(), sum.Groups)
		}
		again, err := Open(t.Context(), s.bucket, s.round, s.sends)
		if diff := cmp.Diff(sum.Groups, again.Groups); err != nil || diff != "" {
			t.Errorf("opened again: %v\n%s", err, diff)
		}
	}
}

func TestWrongShareSumIsPassedOver(t *testing.T) {
	s := seal(t, storagetest.NewMemory(), 3000, 3, false, 3)
	s.sends[1].ByGroup[0][17]++
	sum, err := s.open(t)
	if err != nil {
		t.Fatal(err)
	}
	s.check(t, sum, 0)
	if diff := cmp.Diff([]federation.HospitalID{"h-b"}, sum.Wrong); diff != "" {
		t.Errorf("wrong (-want +got):\n%s", diff)
	}
	if _, err := Open(t.Context(), s.bucket, s.round, s.sends[:3]); !errors.Is(err, ErrNotOpened) {
		t.Errorf("with no share sum to spare: %v", err)
	}
}

func TestDamagedSegmentIsAnErrorOfTheStore(t *testing.T) {
	memory := storagetest.NewMemory()
	s := seal(t, memory, 3000, 3, false, 3)
	s.add(t)
	lost := func(name string, err error) {
		t.Helper()
		if errors.Is(err, ErrNotOpened) || (!errors.Is(err, storage.ErrDigest) && !errors.Is(err, storage.ErrNotFound)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := storage.Blob(s.round.Candidate.Sums[0])
	for name, data := range map[string][]byte{"other bytes": []byte("damaged"), "nothing": nil} {
		memory.Set(s.name(t, s.round.Submissions["h-0-001"], 0), data)
		_, err := Add(t.Context(), s.bucket, s.round, 0, Beside{})
		lost("a ciphertext: "+name, err)
		memory.Set(c, data)
		_, err = Open(t.Context(), s.bucket, s.round, s.sends)
		lost("C: "+name, err)
	}
}

// TestMemoryDoesNotGrowWithHospitals adds and opens three million parameters of 3 and of 24
// hospitals from disk; with every ciphertext in memory the difference would be 190 MB.
func TestMemoryDoesNotGrowWithHospitals(t *testing.T) {
	if raceEnabled {
		t.Log("not measured under the race detector")
		return
	}
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	const count = 3_300_000 // two segments
	peak := func(n int) uint64 {
		bucket, err := local.Create(filepath.Join(t.TempDir(), "bucket"))
		if err != nil {
			t.Fatal(err)
		}
		defer bucket.Close()
		s := seal(t, bucket, count, 24, true, n)
		var sum Sum
		most := watch(func() {
			if sum, err = s.open(t); err != nil {
				t.Fatal(err)
			}
		})
		s.check(t, sum, 0)
		return most
	}
	few, many := peak(3), peak(24)
	t.Logf("heap at most %d MB with 3 hospitals, %d MB with 24", few>>20, many>>20)
	if many > few+(48<<20) || many > 160<<20 { // what is garbage already is in it
		t.Errorf("%d MB with 3 hospitals, %d MB with 24", few>>20, many>>20)
	}
}

// watch returns the most memory that the heap took while f ran.
func watch(f func()) uint64 {
	var most atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	look := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most.Store(max(most.Load(), m.HeapInuse))
	}
	runtime.GC()
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(2 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				look()
			case <-stop:
				return
			}
		}
	}()
	f()
	close(stop)
	<-stopped
	look()
	return most.Load()
}

// atHand returns the stored segments of the round from memory.
func (s sealed) atHand(t *testing.T) func(federation.Digest) []byte {
	segments := map[federation.Digest][]byte{}
	infos, err := s.bucket.List(t.Context(), storage.RoundsFolder)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		data, err := s.bucket.Get(t.Context(), info.Name, 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		segments[federation.Sum(data)] = data
	}
	return func(d federation.Digest) []byte { return segments[d] }
}
