package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
)

// pace is what this run of the daemon measured of itself; zero before it did.
type pace struct {
	step   time.Duration // of local training
	upload float64       // KiB a second
}

// trained notes how long steps of training took.
func (p *pace) trained(steps int, took time.Duration) {
	if steps > 0 {
		p.step = took / time.Duration(steps)
	}
}

// uploaded notes how long an upload took. What the coordinator held already says nothing.
func (p *pace) uploaded(bytes int64, took time.Duration) {
	if bytes > 0 && took > 0 {
		p.upload = float64(bytes) / 1024 / took.Seconds()
	}
}

// stepsInTime is how many steps of a round this hospital takes; 0 is all of them. Where the
// plan allows partial work and nothing was measured yet, a few steps are taken for the
// sake of their time alone.
func (d *Daemon) stepsInTime(ctx context.Context, job training, h federation.Header) (int, error) {
	local := job.plan.Local
	if !local.PartialWork.On() {
		return 0, nil
	}
	if d.pace.step == 0 {
		if err := d.rehearse(ctx, job); err != nil {
			return 0, err
		}
	}
	updates := time.Duration(job.plan.UpdateTime(h)) * time.Second
	spent := time.Since(d.live.since) + d.uploadTime(h)
	steps, ok := local.StepsWithin(d.train.Rows, updates, spent, d.pace.step)
	if !ok {
		return 0, fmt.Errorf("%d of %d steps, of %v each, in what is left of %v: %w", steps, local.StepsOf(d.train.Rows), d.pace.step, updates, errTooSlow)
	}
	return steps, nil
}

// errTooSlow: fewer steps than the plan allows fit the time for updates.
var errTooSlow = errors.New("too slow for the least partial work in this round's time")

// rehearse measures the pace of training. The first steps of a trainer take longer.
func (d *Daemon) rehearse(ctx context.Context, job training) error {
	for _, steps := range []int{1, measuredSteps} {
		job.steps = steps
		began := time.Now()
		if _, _, _, err := job.run(ctx, d.trainer); err != nil {
			return err
		}
		_, steps = job.local()
		d.pace.trained(steps, time.Since(began))
	}
	return nil
}

// uploadTime is what the upload of an update takes by the last one; 0 before the first.
func (d *Daemon) uploadTime(h federation.Header) time.Duration {
	params, err := opening.Parameters(h.Ring)
	if err != nil || d.pace.upload == 0 {
		return 0
	}
	bytes := 0
	for _, size := range params.SegmentPlan(opening.SegmentTarget) {
		bytes += size
	}
	return time.Duration(float64(bytes) / 1024 / d.pace.upload * float64(time.Second))
}

// capability is what this hospital says about itself in a Join: nothing unless its policy
// allows it, else what its configuration says or what it measured, as powers of two.
func (d *Daemon) capability() federation.Capability {
	if !d.cfg.Policy.Capability {
		return federation.Capability{}
	}
	c := d.cfg.Capability
	if c.TrainSeconds == 0 {
		c.TrainSeconds = whole((d.pace.step * time.Duration(d.cfg.Plan.Local.StepsOf(d.train.Rows))).Seconds())
	}
	if c.UploadKiB == 0 {
		c.UploadKiB = whole(d.pace.upload)
	}
	return federation.Capability{TrainSeconds: federation.PowerUp(c.TrainSeconds),
		UploadKiB: federation.PowerDown(c.UploadKiB), MemoryMiB: federation.PowerDown(c.MemoryMiB)}
}

// whole rounds up to a number that every int holds.
func whole(x float64) int { return int(min(math.Ceil(x), federation.MaxCapability)) }
