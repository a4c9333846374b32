package client

import (
	"math"
	"time"

	"atrium/coordinator/federation"
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
