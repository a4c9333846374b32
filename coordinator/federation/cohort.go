package federation

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Cohort is how many hospitals of each group a train round asks for an update. The zero
// Cohort asks everyone who joined and waits for all of them.
type Cohort struct {
	Size  int     `json:"size,omitempty"`  // updates of each group with which a train round is content
	Extra float64 `json:"extra,omitempty"` // share of Size that is asked beyond it, for those who are slow or fail
	Seed  int     `json:"seed,omitempty"`  // of the draw, beside everything else that it follows from
}

// On reports whether train rounds draw who is asked.
func (c Cohort) On() bool { return c.Size > 0 }

// Asked is how many hospitals of each group are asked at least, if so many joined.
func (c Cohort) Asked() int { return c.Size + int(math.Ceil(float64(c.Size)*c.Extra-1e-9)) }

func (c Cohort) validate() error {
	switch {
	case c.Size < 0 || c.Size > MaxHospitals:
		return bad("schedule.cohort.size", "%d: want 0 (everyone) to %d hospitals of each group", c.Size, MaxHospitals)
	case !(c.Extra >= 0 && c.Extra <= MaxExtra):
		return bad("schedule.cohort.extra", "%v: want 0 to %d", c.Extra, MaxExtra)
	case c.Seed < 0:
		return bad("schedule.cohort.seed", "%d: want 0 or more", c.Seed)
	case !c.On() && c != Cohort{}:
		return bad("schedule.cohort.size", "want how many hospitals of each group a train round is content with")
	}
	return nil
}

// checkCohortSize reports whether rounds that draw their cohort can reach the charter's K; the
// error is a *PlanError.
func checkCohortSize(c Charter, p Plan) error {
	switch size := p.Schedule.Cohort.Size; {
	case size > 0 && size < c.MinCohort:
		return bad("schedule.cohort.size", "%d: a sum of fewer than %d hospitals is never opened (the charter's K)", size, c.MinCohort)
	case size > 0 && c.Cohort == CohortAll && size < c.LargestGroup():
		return bad("schedule.cohort.size", "%d: the charter sums all members of a group, or none (its cohort is all)", size)
	}
	return nil
}

// Draw is the order in which the hospitals of a round are asked. It follows from the plan,
// which every hospital approved, and from the base snapshot, which nobody knows before the
// sum behind it was opened; not from the round's number, of which a coordinator could try
// many. Whoever retries a round gets the same order and can only ask more of it. To draw
// anew it would have to throw away a round after its sum was opened, and the log says so, or
// to publish a base that is not the rule applied to the sum, which every replay shows. The
// zero Draw asks everyone.
type Draw struct {
	Asked int // hospitals of each group, at least
	Seed  Digest
}

// On reports whether the draw decides anything.
func (d Draw) On() bool { return d.Asked > 0 }

// DrawOf is the draw of a round on a base: the zero Draw but for train rounds of a plan
// with a cohort. The seed is SHA-256("atrium/cohort/v1" ‖ plan ‖ base ‖ seed), the last as
// 8 bytes, big-endian.
func DrawOf(c Cohort, kind RoundKind, plan, base Digest) Draw {
	if !c.On() || kind != Train {
		return Draw{}
	}
	b := append([]byte("atrium/cohort/v1"), plan[:]...)
	b = append(b, base[:]...)
	return Draw{c.Asked(), Sum(binary.BigEndian.AppendUint64(b, uint64(c.Seed)))}
}

// Draw is the draw of a round that this header opens.
func (p Plan) Draw(h Header) Draw { return DrawOf(p.Schedule.Cohort, h.Kind, h.Plan, h.Base) }

// Pick returns of each group the first n in the draw's order, sorted; all of them where
// there are no more, or where the draw is the zero Draw.
func (d Draw) Pick(groups [][]HospitalID, n int) [][]HospitalID {
	if !d.On() {
		return groups
	}
	picked := make([][]HospitalID, len(groups))
	for g, group := range groups {
		picked[g] = d.order(group)
		picked[g] = picked[g][:min(n, len(group))]
		slices.Sort(picked[g])
	}
	return picked
}

// order sorts hospitals by SHA-256(seed ‖ hospital).
func (d Draw) order(group []HospitalID) []HospitalID {
	type place struct {
		id  HospitalID
		key Digest
	}
	places := make([]place, len(group))
	for i, id := range group {
		places[i] = place{id, sha256.Sum256(append(d.Seed[:], id...))}
	}
	slices.SortFunc(places, func(a, b place) int { return bytes.Compare(a.key[:], b.key[:]) })
	ordered := make([]HospitalID, len(group))
	for i, p := range places {
		ordered[i] = p.id
	}
	return ordered
}

// Earlier is a round that was opened before on the same question: its header, and its
// manifest as it was verified, by whose draw a pinned cohort was asked.
type Earlier struct {
	Header   Header
	Manifest VerifiedManifest
}

// CheckCohort judges whom a manifest asks, after [CheckManifest]: exactly the first in the
// draw's order of those who joined and did not decline, and as many as the plan asks at
// least. A manifest that is pinned asks hospitals whom an earlier one, drawn in the same
// way, asked on the same question; earlier is that round.
//
// So a coordinator that lies cannot choose whom the first manifest of a question asks. It can
// pretend that a hospital did not join, or did not submit, as it always can; the log has every
// Join that it took. A first one may ask more than the plan wants, and one that is pinned to it any
// of them.
func CheckCohort(c Charter, p Plan, h Header, m VerifiedManifest, earlier *Earlier) error {
	if err := checkCohort(c, p, h, m, earlier); err != nil {
		return fmt.Errorf("manifest %s: %w: %w", m.Digest.Short(), ErrManifest, err)
	}
	return nil
}

func checkCohort(c Charter, p Plan, h Header, m VerifiedManifest, earlier *Earlier) error {
	draw := p.Draw(h)
	switch {
	case !draw.On() && (!m.Pin.IsZero() || len(m.Declines) > 0):
		return fmt.Errorf("it explains a draw, and there is none in a %s round of this plan", h.Kind)
	case !draw.On():
		return nil
	case len(m.Groups) != len(c.Groups):
		return fmt.Errorf("%d groups: the charter has %d", len(m.Groups), len(c.Groups))
	case m.Pin.IsZero():
		return draw.check(c, m)
	case len(m.Declines) > 0:
		return fmt.Errorf("it carries declines and is pinned")
	case earlier == nil:
		return fmt.Errorf("manifest %s, to which it is pinned, is missing", m.Pin.Short())
	}
	return checkEarlier(c, p, h, m, *earlier)
}

// check compares a cohort with what the draw gives for the joins and declines beside it.
func (d Draw) check(c Charter, m VerifiedManifest) error {
	able := make([][]HospitalID, len(c.Groups))
	for _, j := range m.Joins {
		if g := c.GroupOf(j.Hospital); g >= 0 && !m.declined(j.Hospital) {
			able[g] = append(able[g], j.Hospital)
		}
	}
	for g, group := range m.Groups {
		if want := min(d.Asked, len(able[g])); len(group) < want {
			return fmt.Errorf("group %d: it asks %d hospitals, the plan asks %d", g, len(group), want)
		}
		if want := d.Pick(able[g:g+1], len(group))[0]; !slices.Equal(group, want) {
			return fmt.Errorf("group %d: its cohort is not the one that was drawn", g)
		}
	}
	return nil
}

func checkEarlier(c Charter, p Plan, h Header, m VerifiedManifest, e Earlier) error {
	switch {
	case e.Manifest.Digest != m.Pin || e.Header.Digest() != e.Manifest.Header:
		return fmt.Errorf("manifest %s is not the one that it is pinned to", e.Manifest.Digest.Short())
	case e.Header.Kind != h.Kind || !slices.Equal(e.Header.Questions, h.Questions) || e.Header.Charter != h.Charter || e.Header.Round >= h.Round:
		return fmt.Errorf("it is pinned to round %d, which asks something else", e.Header.Round)
	case !e.Manifest.Pin.IsZero():
		return fmt.Errorf("it is pinned to a manifest that is pinned itself")
	}
	if err := checkManifest(c, e.Manifest.Header, e.Manifest); err != nil {
		return fmt.Errorf("pinned to manifest %s: %w", m.Pin.Short(), err)
	}
	if e.Header.Plan == h.Plan { // else the hospitals that joined it approved another plan
		if err := p.Draw(e.Header).check(c, e.Manifest); err != nil {
			return fmt.Errorf("pinned to manifest %s: %w", m.Pin.Short(), err)
		}
	}
	for g, group := range m.Groups {
		for _, id := range group {
			if !slices.Contains(e.Manifest.Groups[g], id) {
				return fmt.Errorf("group %d: %s was not asked under manifest %s, to which it is pinned", g, id, m.Pin.Short())
			}
		}
	}
	return nil
}
