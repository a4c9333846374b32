package audit

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"atrium/coordinator/federation"
)

// cosigners knows the largest checkpoint that each hospital cosigned, in a message of the
// log or in a checkpoint that it kept. Who cosigned a checkpoint cosigned all before it.
type cosigners map[federation.HospitalID]cosignature

type cosignature struct {
	size int64
	time time.Time // by the hospital's clock
}

func (c cosigners) add(id federation.HospitalID, size int64, when time.Time) {
	have := c[id]
	if size > have.size || (size == have.size && when.After(have.time)) {
		c[id] = cosignature{size, when}
	}
}

// upTo is the number of entries, from the first on, that at least n hospitals cosigned.
func (c cosigners) upTo(n int) int64 {
	var sizes []int64
	for _, s := range c {
		sizes = append(sizes, s.size)
	}
	if n < 1 || n > len(sizes) {
		return 0
	}
	slices.Sort(sizes)
	return sizes[len(sizes)-n]
}

// written is when the log had a size, by the coordinator's clock.
type written struct {
	size int64
	time time.Time
}

// Cosigned is the largest checkpoint that a hospital cosigned; size 0 if it cosigned none.
type Cosigned struct {
	Hospital federation.HospitalID `json:"hospital"`
	Name     string                `json:"name,omitempty"` // where the charter shows it
	Size     int64                 `json:"size"`
	Time     time.Time             `json:"time,omitzero"` // UTC, by the hospital's clock
}

// LastCosigned is the last entry that a hospital cosigned.
type LastCosigned struct {
	Entry    int64     `json:"entry"`    // its index
	Written  time.Time `json:"written"`  // UTC, by the coordinator's clock
	Cosigned time.Time `json:"cosigned"` // the first time, by that hospital's clock
	Age      int64     `json:"age_seconds"`
}

// lastCosigned is nil when no entry is cosigned. An entry is at least as old as its
// cosignature, whatever the coordinator's clock says.
func (h *history) lastCosigned() *LastCosigned {
	size := h.cosigners.upTo(1)
	if size == 0 {
		return nil
	}
	i := sort.Search(len(h.written), func(i int) bool { return h.written[i].size >= size })
	at, cosigned := h.written[min(i, len(h.written)-1)].time, time.Time{}
	for _, c := range h.cosigners {
		if c.size == size && (cosigned.IsZero() || c.time.Before(cosigned)) {
			cosigned = c.time
		}
	}
	now := h.opts.Now
	if now.IsZero() {
		now = time.Now()
	}
	since := at
	if cosigned.Before(at) {
		since = cosigned
	}
	return &LastCosigned{Entry: size - 1, Written: at.UTC(), Cosigned: cosigned, Age: int64(max(0, now.Sub(since)) / time.Second)}
}

// words say how old the last cosigned entry is.
func (l *LastCosigned) words() string {
	if l == nil {
		return "no entry is cosigned"
	}
	age := time.Duration(l.Age) * time.Second
	text := age.String()
	if days := int64(age.Hours()) / 24; days >= 2 {
		text = fmt.Sprintf("%d days", days)
	}
	return fmt.Sprintf("the last cosigned entry, %d, is %s old", l.Entry, text)
}

// cosigned lists the hospitals of the charter in force, largest size first.
func (h *history) cosigned() []Cosigned {
	var list []Cosigned
	for _, m := range h.charter.Members {
		list = append(list, Cosigned{m.ID, m.Name, h.cosigners[m.ID].size, h.cosigners[m.ID].time})
	}
	slices.SortStableFunc(list, func(a, b Cosigned) int { return cmp.Compare(b.Size, a.Size) })
	return list
}

// cosignedText says up to which size how many hospitals hold the operator to the log.
func (l Log) cosignedText() string {
	signers := slices.Clone(l.Cosigned)
	signers = slices.DeleteFunc(signers, func(c Cosigned) bool { return c.Size == 0 })
	if len(signers) == 0 {
		return fmt.Sprintf("by none of %d hospitals: the operator can still rewrite all of it", len(l.Cosigned))
	}
	text := []string{fmt.Sprintf("%d of %d hospitals cosigned a checkpoint of size ≥ %d", len(signers), len(l.Cosigned), signers[len(signers)-1].Size)}
	if top := signers[0].Size; top > signers[len(signers)-1].Size {
		n := 0
		for n < len(signers) && signers[n].Size == top {
			n++
		}
		text = append(text, fmt.Sprintf("%d of size ≥ %d", n, top))
	}
	if left := l.Entries - signers[0].Size; left > 0 {
		text = append(text, fmt.Sprintf("the last %d entries are cosigned by none", left))
	}
	return strings.Join(text, ", ")
}
