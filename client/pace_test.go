package client

import (
	"testing"
	"time"

	"atrium/client/dataset"
	"atrium/client/policy"
	"atrium/coordinator/federation"
)

// TestCapability: nothing without the policy's leave; what is configured before what was
// measured; all as powers of two.
func TestCapability(t *testing.T) {
	measured := pace{step: 300 * time.Millisecond, upload: 700.5}
	for _, c := range []struct {
		name  string
		allow bool
		says  federation.Capability // configured
		pace  pace
		want  federation.Capability
	}{
		{"not allowed", false, federation.Capability{TrainSeconds: 3, MemoryMiB: 9}, measured, federation.Capability{}},
		{"nothing known", true, federation.Capability{}, pace{}, federation.Capability{}},
		{"measured", true, federation.Capability{MemoryMiB: 12000}, measured, federation.Capability{TrainSeconds: 8, UploadKiB: 512, MemoryMiB: 8192}}, // 20 steps: 6 s
		{"configured", true, federation.Capability{TrainSeconds: 64, UploadKiB: 100}, measured, federation.Capability{TrainSeconds: 64, UploadKiB: 64}},
		{"within a moment", true, federation.Capability{}, pace{step: time.Microsecond, upload: 0.2}, federation.Capability{TrainSeconds: 1, UploadKiB: 1}},
		{"beyond all bounds", true, federation.Capability{MemoryMiB: 1 << 40}, pace{step: 1000 * time.Hour, upload: 1e300},
			federation.Capability{TrainSeconds: federation.MaxCapability, UploadKiB: federation.MaxCapability, MemoryMiB: federation.MaxCapability}},
	} {
		d := &Daemon{cfg: Config{Plan: federation.Plan{Local: federation.Local{Epochs: 2, Batch: 10}}, Policy: policy.Policy{Capability: c.allow}, Capability: c.says},
			train: &dataset.Table{Rows: 95}, pace: c.pace}
		if got := d.capability(); got != c.want || !got.Valid() {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	var p pace
	p.trained(4, 2*time.Second)
	p.uploaded(4096, 2*time.Second)
	p.trained(0, time.Hour)
	p.uploaded(0, time.Hour) // the coordinator held it already
	if p.step != 500*time.Millisecond || p.upload != 2 {
		t.Errorf("measured %+v", p)
	}
}
