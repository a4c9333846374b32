package client_test

import (
	"crypto/ed25519"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"atrium/coordinator"
	"atrium/coordinator/federation"
)

// TestResume: while a hospital uploads, the coordinator or the hospital dies. The same
// round ends with the same header and manifest and all four hospitals; what was stored is
// not sent again, and nobody trains again.
func TestResume(t *testing.T) {
	for _, dies := range []string{"coordinator", "hospital"} {
		t.Run(dies, func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				r, d := newRoster(t, base, 4, func(p *federation.Plan) { // two segments
					p.Model = federation.Model{Kind: federation.MLP, Hidden: []int{1900, 1950}}
					p.Schedule.EvaluateEvery = 0
				})
				f := newFed(t, r, d, wounds{})
				id := string(federation.NewHospitalID(r.charter.Federation, r.hospitals[0].identity.Public().(ed25519.PublicKey)))
				var mu sync.Mutex
				segments := map[string]int{}
				f.stored = func(name string) {
					mu.Lock()
					defer mu.Unlock()
					part := strings.Split(name, "/")
					if part[0] != "rounds" {
						return
					}
					segments[part[2]+"/"+part[4]]++
					if part[2] != id || part[4] != "000000" || f.lead.Status().Kind != federation.Train {
						return
					}
					f.faulty[map[string]string{"coordinator": "coordinator", "hospital": r.hospitals[0].name}[dies]].Kill()
				}
				if !f.run(func(s coordinator.Status) bool { return s.Finished != "" }) {
					t.Error("wedged")
				}
				h, err := f.check(t.Context())
				if err != nil {
					t.Error(err)
				}
				if err := f.checkResumed(h, 0); err != nil {
					t.Error(err)
				}
				if f.starts["coordinator"]+f.starts[r.hospitals[0].name] != 3 {
					t.Errorf("starts %v: want one more of the %s", f.starts, dies)
				}
				if len(h.published) != 2 || h.published[1].round.Number != 2 {
					t.Errorf("published %d rounds: want a statistics and a train round, 1 and 2", len(h.published))
				}
				// The statistics round has one segment, the train round two: a third
				// would be the first one again, under another root.
				for _, s := range r.hospitals {
					id := federation.NewHospitalID(r.charter.Federation, s.identity.Public().(ed25519.PublicKey))
					if first, second := segments[fmt.Sprint(id, "/000000")], segments[fmt.Sprint(id, "/000001")]; first != 2 || second != 1 {
						t.Errorf("%s: the first segment was stored %d times, the second %d times: want 2, of two rounds, and 1", s.name, first, second)
					}
				}
				if len(f.trained) != 4 {
					t.Errorf("%d trainings: want one a hospital", len(f.trained))
				}
				if t.Failed() {
					t.Logf("%s", f.logs)
				}
			})
		})
	}
}
