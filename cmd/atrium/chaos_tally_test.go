package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"regexp"
	"slices"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/storage"
	"atrium/storage/models"
)

// tally is what became of the updates that the log acknowledges.
type tally struct {
	rounds       int
	acknowledged int
	summed       int // once, as it must be
	leftOut      int // with a reason in the log
	lost         int
	twice        int // or where they do not belong
	told         int // acknowledgements that hospitals noted
	outcomes     map[string]int
	ended        map[uint64]string // rounds that were abandoned, and why
	wrong        []string          // what was lost or counted twice, in words
	updates      map[logged]bool
}

// logged is an update or a discarded one, as the log and the hospital name it.
type logged struct {
	hospital federation.HospitalID
	blob     federation.Digest
}

// count reads a whole log and compares, for each round, the hospitals whose updates it
// acknowledges with those that its result holds. roster is the hospitals in the order of
// their numbers.
func count(ctx context.Context, b storage.Bucket, charter federation.Charter, roster []federation.HospitalID) (*tally, error) {
	t := &tally{outcomes: map[string]int{}, ended: map[uint64]string{}, updates: map[logged]bool{}}
	f := newFollower(b, charter)
	f.each = func(e round.Entry) error {
		switch e.Kind {
		case round.Update:
			t.acknowledged++
			t.updates[logged{e.Hospital, e.Blob}] = true
		case round.Discard:
			t.updates[logged{e.Hospital, e.Blob}] = true
		case round.Abandon:
			t.abandoned(e, f.state.Round)
		case round.Publish:
			found, err := inResult(ctx, b, f.state.Round, e, roster)
			if err != nil {
				return fmt.Errorf("round %d: %w", e.Round, err)
			}
			t.published(e, f.state.Round, charter, roster, found)
		}
		return nil
	}
	_, err := f.advance(ctx)
	return t, err
}

func (t *tally) abandoned(e round.Entry, r round.Round) {
	t.rounds++
	t.outcomes["abandoned: "+generally(e.Reason)]++
	t.ended[e.Round] = e.Reason
	if e.Reason != "" {
		t.leftOut += len(r.Updates)
		return
	}
	t.lost += len(r.Updates)
	t.wrong = append(t.wrong, fmt.Sprintf("round %d: abandoned without a reason", e.Round))
}

// published compares S and the acknowledged updates with what the result holds.
func (t *tally) published(e round.Entry, r round.Round, charter federation.Charter, roster []federation.HospitalID, found []int) {
	t.rounds++
	t.outcomes["done"]++
	for i, id := range roster {
		_, acknowledged := r.Update(id)
		summed := false
		for g, group := range r.S {
			summed = summed || slices.Contains(group, id) && slices.Contains(e.Groups, g)
		}
		switch {
		case !acknowledged && found[i] == 0:
		case !acknowledged || found[i] > 1 || !summed && found[i] > 0:
			t.twice++
			t.wrong = append(t.wrong, fmt.Sprintf("round %d: hospital %d is in the %s result %d times: acknowledged %t, in S %t", e.Round, i, r.Kind, found[i], acknowledged, summed))
		case summed && found[i] == 1:
			t.summed++
		case !summed && (r.S != nil && e.Reason != "" || droppedWithReason(charter, r, id)):
			t.leftOut++
		default:
			t.lost++
			t.wrong = append(t.wrong, fmt.Sprintf("round %d: hospital %d is not in the %s result: acknowledged, in S %t", e.Round, i, r.Kind, summed))
		}
	}
}

// droppedWithReason: a submitter that custodians could not read, or the rest of a group
// that became too small by that. The candidates in the log say so.
func droppedWithReason(charter federation.Charter, r round.Round, id federation.HospitalID) bool {
	for _, group := range charter.Groups {
		if !slices.Contains(group, id) {
			continue
		}
		return slices.ContainsFunc(r.Dropped, func(other federation.HospitalID) bool { return slices.Contains(group, other) })
	}
	return false
}

// inResult says how often the result of a round holds each hospital.
func inResult(ctx context.Context, b storage.Bucket, r round.Round, e round.Entry, roster []federation.HospitalID) ([]int, error) {
	blob, err := storage.GetBlob(ctx, b, e.Blob, federation.MaxManifestBytes)
	if err != nil {
		return nil, err
	}
	result, err := opening.DecodeResult(blob)
	if err != nil {
		return nil, err
	}
	switch {
	case result.Statistics != nil:
		return byRows(result.Statistics.Records[0], len(roster))
	case result.Evaluation != nil:
		v := result.Evaluation
		return byRows(v.TP+v.FP+v.TN+v.FN, len(roster))
	case result.Train != nil:
		found, err := byRows(result.Train.Weight, len(roster))
		if err != nil {
			return nil, err
		}
		before, after, err := change(ctx, b, r, e)
		if err != nil {
			return nil, err
		}
		return byPlace(before, after, result.Train.Weight, found)
	}
	return nil, errors.New("result of an unknown kind")
}

// byRows takes a sum of records apart (see chaosRows).
func byRows(sum float64, hospitals int) ([]int, error) {
	units := math.Round(sum / float64(chaosRows(0)))
	if math.Abs(sum-units*float64(chaosRows(0))) > 0.5 {
		return nil, fmt.Errorf("%v records are no sum of whole hospitals", sum)
	}
	found := make([]int, hospitals)
	rest := int(units)
	for i := range found {
		found[i], rest = rest%4, rest/4
	}
	found[hospitals-1] += 4 * rest
	return found, nil
}

// change returns the parameters before and after a train round.
func change(ctx context.Context, b storage.Bucket, r round.Round, e round.Entry) (before, after []float32, err error) {
	h, err := opening.Header(ctx, b, r.Header)
	if err != nil {
		return nil, nil, err
	}
	if before, err = parameters(ctx, b, h, h.Base); err != nil {
		return nil, nil, err
	}
	after, err = parameters(ctx, b, h, e.Snapshot)
	return before, after, err
}

// byPlace reads the change of the parameters: each hospital's 1 must be at its place for
// this question as often as its records were counted. What is at another place, or not as
// often, is said as two counts, which no round may have.
func byPlace(before, after []float32, weight float64, found []int) ([]int, error) {
	out := make([]int, len(found))
	for i := range after {
		hospital := i / oneHotSlots
		times := float64(after[i]-before[i]) * weight / float64(chaosRows(min(hospital, len(found)-1)))
		n := int(math.Round(times))
		switch {
		case math.Abs(times-float64(n)) > 0.1:
			return nil, fmt.Errorf("parameter %d changed by %v hospitals", i, times)
		case hospital >= len(found):
			if n != 0 {
				return nil, fmt.Errorf("parameter %d is no hospital's and changed by %v", i, times)
			}
		case i == place(hospital, before):
			out[hospital] += n
		case n != 0: // of another question
			out[hospital] += 2 * n
		}
	}
	for i := range out {
		if out[i] != 0 && out[i] != found[i] {
			out[i] = max(2, out[i], found[i])
		}
	}
	return out, nil
}

func parameters(ctx context.Context, b storage.Bucket, h federation.Header, snapshot federation.Digest) ([]float32, error) {
	plan, err := opening.Plan(ctx, b, h.Plan)
	if err != nil {
		return nil, err
	}
	s, err := models.Get(ctx, b, snapshot)
	if err != nil {
		return nil, err
	}
	params, _, err := models.OfPlan(plan, s)
	return params, err
}

// acknowledgedTo finds the updates that a hospital was told are acknowledged, in its log,
// and counts as lost those that the coordinator's log does not have.
func (t *tally) acknowledgedTo(id federation.HospitalID, log string) error {
	f, err := os.Open(log)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var line struct {
			Msg        string `json:"msg"`
			Submission string `json:"submission"`
		}
		if json.Unmarshal(s.Bytes(), &line) != nil || line.Msg != "update acknowledged" {
			continue // also the half line of a process that was killed
		}
		blob, err := federation.ParseDigest(line.Submission)
		if err != nil {
			return err
		}
		t.told++
		if !t.updates[logged{id, blob}] {
			t.lost++
			t.wrong = append(t.wrong, fmt.Sprintf("%s: submission %s was acknowledged and is not in the log", log, line.Submission))
		}
	}
	return nil
}

// generally is a reason without numbers and names, so that equal ones can be counted.
func generally(reason string) string {
	return digits.ReplaceAllString(pseudonyms.ReplaceAllString(reason, "a hospital"), "n")
}

var (
	pseudonyms = regexp.MustCompile(`h-[0-9a-z]+`)
	digits     = regexp.MustCompile(`[0-9]+`)
)
