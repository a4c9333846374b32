package he

// unpackVector is where vectorAdd finds eight numbers in as many bytes as one
// has bits: two in each of four windows of 16 bytes, in eight bytes each after
// order and less a shift.
type unpackVector struct {
	size   int64    // bytes of a group
	begins [3]int64 // of the second to fourth window
	mask   uint64
	halves [2]struct {
		order  [32]byte
		shifts [4]uint64
	}
}

// unpackVectors has one for each width of numbers.
var unpackVectors = func() (all [MaxPrimeBits + 1]unpackVector) {
	for w := range all {
		u := &all[w]
		u.size, u.mask = int64(w), 1<<w-1
		for i := range 8 {
			begin := i / 2 * 2 * w / 8
			if i >= 2 {
				u.begins[i/2-1] = int64(begin)
			}
			half := &u.halves[i/4]
			half.shifts[i%4] = uint64(i * w % 8)
			for b := range 8 {
				half.order[i%4*8+b] = byte(i*w/8 - begin + b)
			}
		}
	}
	return all
}()

// addEights is addGroups by vectorAdd.
func addEights(sum []uint64, in []byte, w uint, room uint64) (done int, over uint64) {
	if len(in) < window || len(sum) < 8 {
		return 0, 0
	}
	done = min(len(sum)/8, (len(in)-window)/int(w)+1)
	return done, vectorAdd(&sum[0], &in[0], done, &unpackVectors[w], room)
}
