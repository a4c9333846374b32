package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/models"
)

func (c *checker) checkPlan(ctx context.Context, s step) error {
	raw, err := c.blob(ctx, s.entry.Blob, federation.MaxPlanBytes, s.name())
	if err != nil {
		return err
	}
	if c.plan, err = federation.DecodePlan(raw); err != nil {
		return s.wrong(err)
	}
	if *s.entry.Schedule != c.plan.Schedule {
		return s.contrary("the entry has another schedule")
	}
	if string(federation.Encode(s.entry.Rule)) != string(federation.Encode(c.plan.Comparing())) {
		return s.contrary("the entry has another rule")
	}
	return c.checkOrigin(ctx, s)
}

// checkOrigin: a plan begins with what the log before it has for its start, and can go on from
// that. Custodians may have signed more about it since the coordinator read the log.
func (c *checker) checkOrigin(ctx context.Context, s step) error {
	want, err := opening.Origin(ctx, c.bucket, &c.archive, s.before, c.plan)
	if errors.Is(err, opening.ErrPlan) {
		return s.wrong(err)
	} else if err != nil {
		return err
	}
	have := s.entry.Origin
	if want != nil && have != nil && len(have.Signed) < len(want.Signed) {
		want.Signed = want.Signed[:len(have.Signed)]
	}
	if string(federation.Encode(want)) != string(federation.Encode(have)) {
		return s.contrary("it begins with %s, and by the log before it with %s", federation.Encode(have), federation.Encode(want))
	}
	return nil
}

// checkOpen checks the header as a hospital does, and against the newest version.
func (c *checker) checkOpen(ctx context.Context, s step) error {
	if err := c.cardIsLate(); err != nil {
		return err
	}
	raw, err := c.blob(ctx, s.entry.Blob, federation.MaxPlanBytes, s.name())
	if err != nil {
		return err
	}
	h, err := federation.DecodeHeader(raw)
	if err != nil {
		return s.wrong(err)
	}
	if err := federation.CheckHeader(c.charter, c.plan, h); err != nil {
		return s.wrong(err)
	}
	if err := opening.CheckRing(h.Ring); err != nil {
		return s.wrong(err)
	}
	model := s.before.Model
	switch {
	case h.Round != s.entry.Round || h.Kind != s.entry.RoundKind || h.Part != s.entry.Part:
		return s.contrary("it opens round %d, %s %s", h.Round, h.Kind, h.Part)
	case h.Part != "" && moment(s.entry).Before(h.Part.End()):
		return s.contrary("it evaluates month %s, which was not over", h.Part)
	case federation.Sum(federation.Encode(h.Questions)) != s.entry.Questions:
		return s.contrary("the entry has other questions")
	case h.Digest() != s.before.OnBase(h).Digest():
		return s.contrary("its base is version %d, %s, after %d train rounds, and the newest is %d: by the log version %d, %s, after %d, and %d",
			h.Version, h.Base.Short(), h.Steps, h.Newest, model.Number, model.Snapshot.Short(), model.Steps, s.before.Newest)
	case !slices.Equal(h.Releases, s.before.ToRelease(h.Kind, h.Questions)):
		return s.contrary("it is to wait for other releases than the rounds before give")
	case s.before.AnsweredBefore(h.Kind, h.Questions) != "":
		return s.contrary("%s", s.before.AnsweredBefore(h.Kind, h.Questions))
	case h.UpdateSeconds != s.entry.Seconds || h.UpdateSeconds != round.UpdateSeconds(s.before, h.Kind):
		return s.contrary("it gives updates %d seconds, the entry %d, and from the rounds before follow %d", h.UpdateSeconds, s.entry.Seconds, round.UpdateSeconds(s.before, h.Kind))
	case h.Checkpoint.Size > s.index:
		return s.contrary("its checkpoint of size %d is later than itself", h.Checkpoint.Size)
	}
	if err := c.checkClips(ctx, s, h); err != nil {
		return err
	}
	params, err := opening.Parameters(h.Ring)
	if err != nil {
		return s.wrong(err)
	}
	c.heads = append(c.heads, head{h.Checkpoint, storage.Blob(s.entry.Blob), s.name()})
	c.now = current{header: h, digest: s.entry.Blob, sizes: params.SegmentPlan(opening.SegmentTarget), degree: params.N()}
	return nil
}

// checkClips: where the clip follows the aggregate it is what the base says. A base that is
// gone, and cannot be derived either, says nothing; replay reports it as missing.
func (c *checker) checkClips(ctx context.Context, s step, h federation.Header) error {
	if h.Kind != federation.Train || !c.plan.Privacy.AutoClip() {
		return nil
	}
	base := models.Snapshot{Metadata: c.newest.metadata}
	if c.newest.snapshot != h.Base {
		var err error
		if base, err = models.Get(ctx, c.bucket, h.Base); errors.Is(err, storage.ErrNotFound) {
			return nil
		} else if err != nil {
			return unread(storage.ModelSegment(h.Base), fmt.Sprintf("snapshot of version %d", h.Version), err)
		}
	}
	if err := opening.CheckClips(c.plan, h, base); err != nil {
		return s.wrong(err)
	}
	return nil
}

func (c *checker) checkJoin(ctx context.Context, s step) error {
	j, err := signed[federation.Join](ctx, c, s)
	if err != nil {
		return err
	}
	_, custodian := c.charter.Point(j.Hospital)
	known, again := s.before.LatestJoin(j.Hospital)
	switch {
	case j.Header != c.now.digest:
		return s.contrary("it names header %s, not %s", j.Header.Short(), c.now.digest.Short())
	case j.Incarnation != s.entry.Instance || j.Counter != s.entry.Counter || j.Capability != s.entry.Capability || j.Lacks != s.entry.Lacks || !slices.Equal(j.Releases, s.entry.Releases):
		return s.contrary("the entry has another incarnation, counter, capability, lacking columns or releases")
	case again && j.Counter <= known.Counter:
		return s.contrary("it is join %d after join %d", j.Counter, known.Counter)
	case custodian != (len(j.Key) > 0):
		return s.contrary("a custodian brings a key, no one else does")
	}
	if err := c.plan.CheckLacks(j.Lacks); err != nil {
		return s.wrong(err)
	}
	if custodian {
		if err := envelope.CheckPublic(j.Key); err != nil {
			return s.wrong(err)
		}
	}
	return c.cosigned(s, j.Hospital, c.now.header.Checkpoint, j.Cosignature)
}

func (c *checker) checkDecline(ctx context.Context, s step) error {
	d, err := signed[federation.Decline](ctx, c, s)
	if err != nil {
		return err
	}
	switch {
	case d.Header != c.now.digest:
		return s.contrary("it names header %s, not %s", d.Header.Short(), c.now.digest.Short())
	case d.Role != s.entry.Role || d.Reason != s.entry.Reason:
		return s.contrary("the entry has another role or reason")
	}
	return nil
}

// checkCollect checks the manifest as a hospital does, and that it embeds exactly the
// joins and the burn certificates that the log has.
func (c *checker) checkCollect(ctx context.Context, s step) error {
	raw, err := c.blob(ctx, s.entry.Blob, federation.MaxManifestBytes, s.name())
	if err != nil {
		return err
	}
	m, err := envelope.OpenManifest(c.charter, raw)
	if err != nil {
		return s.wrong(err)
	}
	if err := federation.CheckManifest(s.before.Round.Part.Rules(c.charter), c.now.digest, m); err != nil {
		return s.wrong(err)
	}
	if len(m.Joins) != len(s.before.Round.Joined) {
		return s.contrary("it embeds %d joins, the log has %d", len(m.Joins), len(s.before.Round.Joined))
	}
	for _, j := range m.Joins {
		if logged, _ := s.before.Round.Join(j.Hospital); logged.Blob != j.Blob {
			return s.contrary("its join of %s is not the one in the log", j.Hospital)
		}
	}
	if !slices.EqualFunc(m.Groups, s.after.Round.Cohort, slices.Equal) {
		return s.contrary("its cohort is not that of the joins")
	}
	if !slices.Equal(m.Masked, s.after.Round.Masked) {
		return s.contrary("it masks columns %q, from the joins and the rounds before follow %q", m.Masked, s.after.Round.Masked)
	}
	if err := c.checkExplanation(s, m); err != nil {
		return err
	}
	if err := c.checkCertificates(s, m); err != nil {
		return err
	}
	c.now.manifest = m
	return nil
}

// checkExplanation: of a cohort that was drawn it carries exactly the declines that the
// log has, and names the manifest of the earlier draw. That the cohort is the one that was
// drawn follows from the joins and declines of the log, and was compared above.
func (c *checker) checkExplanation(s step, m federation.VerifiedManifest) error {
	want := round.Explain(s.before)
	same := slices.EqualFunc(m.Declines, want.Declines, func(d federation.VerifiedDecline, h round.Held) bool { return d.Blob == h.Blob })
	switch {
	case !same:
		return s.contrary("its declines are not those in the log")
	case m.Pin != want.Pin:
		return s.contrary("it is pinned to manifest %s, the log gives %s", m.Pin.Short(), want.Pin.Short())
	}
	return nil
}

// checkCertificates: one for each earlier manifest of the question that is burnt, made
// of burns that the log has. That they suffice was checked with the manifest.
func (c *checker) checkCertificates(s step, m federation.VerifiedManifest) error {
	burnt := round.Explain(s.before).Burnt
	if len(burnt) != len(m.Certificates) {
		return s.contrary("it has %d burn certificates, the log has %d", len(m.Certificates), len(burnt))
	}
	for i, cert := range m.Certificates {
		if cert.Manifest != burnt[i].Manifest {
			return s.contrary("burn certificate of manifest %s, not of %s", cert.Manifest.Short(), burnt[i].Manifest.Short())
		}
		for _, burn := range cert.Burns {
			if !slices.Contains(burnt[i].Burns, round.Held{Hospital: burn.Signer, Blob: burn.Digest()}) {
				return s.contrary("burn of %s for manifest %s is not in the log", burn.Signer, cert.Manifest.Short())
			}
		}
	}
	return nil
}
