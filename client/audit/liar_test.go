package audit

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/models"
)

// TestAnotherSnapshot: a coordinator publishes, as the outcome of round 6, a snapshot
// that is not the rule applied to the sum, with card and log all in order.
func TestAnotherSnapshot(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	e, index := fx.find(t, isPublish(6))
	snapshot, err := models.Get(t.Context(), fx.objects, e.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	for i := range snapshot.Tensors {
		if len(snapshot.Tensors[i].F32) > 0 {
			snapshot.Tensors[i].F32[0] += 0.5
		}
	}
	e.Parameters = models.ParametersDigest(snapshot)
	if e.Snapshot, err = models.Put(t.Context(), fx.objects, models.Encode(snapshot)); err != nil {
		t.Fatal(err)
	}
	fx.signCard(t, e, index)
	lie := upTo(edit(fx.batches(t), isPublish(6), func(old *round.Entry) { *old = e }), isPublish(6))
	store := fx.rewrite(t, lie)
	if _, err := Verify(t.Context(), store, Options{}); err != nil {
		t.Errorf("verify a lie that is in order: %v", err)
	}
	_, err = Replay(t.Context(), store, Options{})
	checkProblem(t, err, storage.ModelSegment(e.Snapshot))
	if !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), "version 3, from round 6") {
		t.Errorf("replay: %v", err)
	}
}

// TestAnotherClip: a round is opened with a clip that the plan allows and that does not
// follow from its base.
func TestAnotherClip(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	e, _ := fx.find(t, is(round.Open, 6))
	h, err := federation.DecodeHeader(fx.blob(t, e.Blob))
	if err != nil {
		t.Fatal(err)
	}
	if clip := h.Format.Segments[0].Clip; clip == 8 || clip < 0.01 {
		t.Fatalf("the clip of version 2 is %v: it followed nothing", clip)
	}
	h.Format.Segments[0].Clip *= 0.75
	digest := fx.put(t, h)
	store := fx.rewrite(t, edit(fx.batches(t), is(round.Open, 6), func(e *round.Entry) { e.Blob = digest }))
	for name, run := range map[string]func() error{
		"verify": func() error { _, err := Verify(t.Context(), store, Options{}); return err },
		"replay": func() error { _, err := Replay(t.Context(), store, Options{}); return err },
	} {
		err := run()
		checkProblem(t, err, storage.Blob(digest))
		if !errors.Is(err, federation.ErrHeader) || !strings.Contains(err.Error(), "from version 2 follow") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAnotherResult: the score of the last round is embellished.
func TestAnotherResult(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	e, _ := fx.find(t, isPublish(7))
	result, err := opening.DecodeResult(fx.blob(t, e.Blob))
	if err != nil {
		t.Fatal(err)
	}
	better := 0.99
	result.Evaluation.AUC = &better
	digest := fx.put(t, result)
	store := fx.rewrite(t, edit(fx.batches(t), isPublish(7), func(e *round.Entry) { e.Blob = digest }))
	if _, err := Verify(t.Context(), store, Options{}); err == nil || !strings.Contains(err.Error(), "the entry says otherwise whether it is what the log says") {
		t.Errorf("verify beside the word of custodians: %v", err)
	}
	store = fx.rewrite(t, upTo(edit(fx.batches(t), isPublish(7), func(e *round.Entry) { e.Blob = digest }), isPublish(7)))
	if _, err := Verify(t.Context(), store, Options{}); err != nil {
		t.Errorf("verify a lie that is in order: %v", err)
	}
	got, err := Replay(t.Context(), store, Options{})
	checkProblem(t, err, storage.Blob(digest))
	if !errors.Is(err, ErrDiffers) || len(got.Versions) != 3 || len(got.Evaluations) != 1 {
		t.Errorf("replay: %v, %+v", err, got)
	}
}

// TestHiddenWrongShares: the coordinator hides that alpha's share sums were wrong.
func TestHiddenWrongShares(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	store := fx.rewrite(t, upTo(edit(fx.batches(t), isPublish(6), func(e *round.Entry) {
		e.Hospitals = append(slices.Clone(e.Hospitals), e.Custodians...)
		slices.Sort(e.Hospitals)
		e.Custodians = nil
	}), isPublish(6)))
	_, err := Replay(t.Context(), store, Options{})
	if !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), "share sums of") {
		t.Errorf("replay: %v", err)
	}
}

// TestDroppedUpdate: the coordinator acknowledges an update and leaves it out.
func TestDroppedUpdate(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	e, _ := fx.find(t, is(round.Candidate, 7))
	list, err := federation.DecodeCandidate(fx.blob(t, e.Blob))
	if err != nil {
		t.Fatal(err)
	}
	dropped := list.Groups[0][2].Hospital
	list.Groups[0] = slices.Delete(slices.Clone(list.Groups[0]), 2, 3)
	digest := fx.put(t, list)
	store := fx.rewrite(t, edit(fx.batches(t), is(round.Candidate, 7), func(e *round.Entry) { e.Blob = digest }))
	for name, run := range map[string]func() error{
		"verify": func() error { _, err := Verify(t.Context(), store, Options{}); return err },
		"replay": func() error { _, err := Replay(t.Context(), store, Options{}); return err },
	} {
		err := run()
		checkProblem(t, err, storage.Blob(digest))
		if !errors.Is(err, ErrContent) || !strings.Contains(err.Error(), "leaves out "+string(dropped)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEditedEntries: what the coordinator writes beside a signed message is compared
// with the message, and entries follow from each other.
func TestEditedEntries(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	another := federation.Sum([]byte("another"))
	for _, lie := range []struct {
		what  string
		match func(round.Entry) bool
		edit  func(*round.Entry)
		want  string
	}{
		{"counter of a join", is(round.Join, 7), func(e *round.Entry) { e.Counter++ }, "another incarnation, counter, capability, lacking columns or releases"},
		{"reason of a decline", is(round.Declined, 2), func(e *round.Entry) { e.Reason = "it overslept" }, "another role or reason"},
		{"hospital of an update", is(round.Update, 7), func(e *round.Entry) { e.Hospital = fx.hospitals[0].id }, ""},
		{"complaints", is(round.Ready, 7), func(e *round.Entry) { e.Hospitals = []federation.HospitalID{fx.hospitals[0].id} }, "other complaints"},
		{"manifest of a derivation", is(round.Derived, 6), func(e *round.Entry) { e.Manifest = another }, "is not to derive anything"},
		{"a dispute made away with", is(round.Derived, 6), func(e *round.Entry) { e.Reason = "" }, "the entry says otherwise"},
		{"a dispute made up", is(round.Derived, 7), func(e *round.Entry) { e.Reason = "another" }, "the entry says otherwise"},
		{"bytes of a candidate", is(round.Candidate, 7), func(e *round.Entry) { e.Bytes++ }, "bytes, the entry says"},
		{"who is left out of a candidate", is(round.Candidate, 7), func(e *round.Entry) { e.Hospitals = []federation.HospitalID{fx.hospitals[0].id} }, "the first candidate leaves out"},
		{"schedule", func(e round.Entry) bool { return e.Kind == round.PlanSet }, func(e *round.Entry) { s := *e.Schedule; s.Rounds++; e.Schedule = &s }, "another schedule"},
		{"time for updates", is(round.Open, 6), func(e *round.Entry) { e.Seconds = 3000 }, "it gives updates 1800 seconds, the entry 3000"},
		{"capability", is(round.Join, 7), func(e *round.Entry) { e.Capability.MemoryMiB = 1024 }, "another incarnation, counter, capability, lacking columns or releases"},
		{"lacking columns", is(round.Join, 7), func(e *round.Entry) { e.Lacks = federation.ColumnsOf(0) }, "another incarnation, counter, capability, lacking columns or releases"},
		{"releases", is(round.Join, 7), func(e *round.Entry) { e.Releases = []federation.Digest{another} }, "another incarnation, counter, capability, lacking columns or releases"},
		{"releases that are none", is(round.Join, 7), func(e *round.Entry) { e.Releases = []federation.Digest{{}} }, "releases refused"},
		{"column that fell short", is(round.Abandon, 2), func(e *round.Entry) { e.Short = true }, "no column fell short"},
		{"questions", is(round.Open, 7), func(e *round.Entry) { e.Questions = another }, "other questions"},
		{"kind of a round", is(round.Open, 7), func(e *round.Entry) { e.RoundKind = federation.Train }, "it opens round 7, evaluate"},
		{"version", isPublish(6), func(e *round.Entry) { e.Version++ }, "version 4 after 2"},
		{"groups", isPublish(7), func(e *round.Entry) { e.Groups = nil }, "submitters in groups"},
		{"epoch", func(e round.Entry) bool { return e.Kind == round.Lead }, func(e *round.Entry) { e.Epoch++ }, ""},
		{"header of another round", is(round.Open, 7), func(e *round.Entry) { o, _ := fx.find(t, is(round.Open, 5)); e.Blob = o.Blob }, ""},
		{"metric of an evaluation", isPublish(7), func(e *round.Entry) { m := *e.Metric + 0.01; e.Metric = &m }, "another accuracy for the stop rule"},
		{"no metric of an evaluation", isPublish(7), func(e *round.Entry) { e.Metric = nil }, "another accuracy for the stop rule"},
		{"metric of a train round", isPublish(6), func(e *round.Entry) { m := 0.5; e.Metric = &m }, "another accuracy for the stop rule"},
		{"reason of the end", func(e round.Entry) bool { return e.Kind == round.Finish }, func(e *round.Entry) { e.Reason = "enough" }, "its reason is"},
		{"message of another kind", is(round.Burn, 3), func(e *round.Entry) { o, _ := fx.find(t, is(round.Send, 3)); e.Blob = o.Blob }, "signature does not verify"},
	} {
		store := fx.rewrite(t, edit(fx.batches(t), lie.match, lie.edit))
		_, err := Verify(t.Context(), store, Options{})
		var p *Problem
		if !errors.As(err, &p) || !strings.Contains(err.Error(), lie.want) {
			t.Errorf("%s: %v, want %q", lie.what, err, lie.want)
		}
		if _, err := Replay(t.Context(), store, Options{}); err == nil {
			t.Errorf("%s: replay did not notice", lie.what)
		}
	}
}

// TestEarlyEnd: the coordinator ends a plan that neither schedule nor stop rule ends.
func TestEarlyEnd(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	groups := fx.batches(t)
	for i, g := range groups {
		for j, e := range g.entries {
			if e.Kind == round.Publish && e.Round == 6 {
				end := round.Entry{V: 1, Kind: round.Finish, Time: e.Time, Reason: "all 2 train rounds are done"}
				groups = append(groups[:i:i], group{g.epoch, append(g.entries[:j+1:j+1], end)})
				_, err := Verify(t.Context(), fx.rewrite(t, groups), Options{})
				if err == nil || !strings.Contains(err.Error(), "no rule of the plan does") {
					t.Errorf("verify: %v", err)
				}
				return
			}
		}
	}
	t.Fatal("round 6 published nothing")
}

// TestUnexplainedCohort: a manifest asks others than were drawn, carries a decline that
// the log does not have, or is pinned to nothing.
func TestUnexplainedCohort(t *testing.T) {
	t.Parallel()
	fx := honest(t)
	e, _ := fx.find(t, is(round.Collect, 6))
	open, _ := fx.find(t, is(round.Open, 6))
	for _, lie := range []struct {
		change func(*federation.Manifest)
		want   string
	}{
		{func(m *federation.Manifest) { m.Groups[0] = m.Groups[0][1:] }, "its cohort is not that of the joins"},
		{func(m *federation.Manifest) { m.Masked = []federation.Columns{federation.ColumnsOf(0)} }, "column 1 of the plan is masked and each hospital of the group has it"},
		{func(m *federation.Manifest) { m.Masked = []federation.Columns{""} }, `it masks columns [""]`},
		{func(m *federation.Manifest) { m.Pin = federation.Sum([]byte("earlier")) }, "it is pinned to manifest"},
		{func(m *federation.Manifest) {
			m.Declines = []federation.Signed{envelope.SignMessage(fx.hospitals[0].key, "test", federation.Decline{V: 1, Header: open.Blob,
				Hospital: fx.hospitals[0].id, Role: federation.RoleUpdate, Reason: "it overslept"})}
		}, "its declines are not those in the log"},
	} {
		m, err := federation.DecodeManifest(fx.blob(t, e.Blob))
		if err != nil {
			t.Fatal(err)
		}
		lie.change(&m)
		digest := fx.put(t, m)
		store := fx.rewrite(t, edit(fx.batches(t), is(round.Collect, 6), func(e *round.Entry) { e.Blob = digest }))
		_, err = Verify(t.Context(), store, Options{})
		checkProblem(t, err, storage.Blob(digest))
		if !strings.Contains(err.Error(), lie.want) {
			t.Errorf("%v, want %q", err, lie.want)
		}
	}
}
