package client_test

import (
	"encoding/csv"
	"os"
	"slices"
	"strings"
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
)

const chol = 3 // its place among the features of cardiology

// lose empties a column of hospitals' training records and starts their daemons again.
func (l *liar) lose(column string, sites ...*site) {
	l.t.Helper()
	for _, s := range sites {
		s.stop()
		raw, err := os.ReadFile(s.cfg.Train)
		must(l.t, err)
		rows, err := csv.NewReader(strings.NewReader(string(raw))).ReadAll()
		must(l.t, err)
		at := slices.Index(rows[0], column)
		for _, row := range rows[1:] {
			row[at] = ""
		}
		var out strings.Builder
		must(l.t, csv.NewWriter(&out).WriteAll(rows))
		must(l.t, os.WriteFile(s.cfg.Train, []byte(out.String()), 0o600))
		l.start(s)
	}
}

// TestColumnOfOneHospital is the attack on a column that one hospital alone has: no manifest
// that does not mask it gets anything from that hospital.
func TestColumnOfOneHospital(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	victim := l.sites[0]
	l.lose("chol", l.sites[1:]...)
	p := l.gather(l.statistics())
	for _, s := range l.sites[1:] {
		if j := decode[federation.Join](l, federation.Encode(p.joins[s.id])); j.Lacks != federation.ColumnsOf(chol) {
			t.Errorf("%s says that it lacks %v", s.name, j.Lacks.List())
		}
	}
	p.askUpdate(victim, p.manifest).refuses(t, "group 0: column 4 of the plan: 1 holders, fewer than K = 3")
	other := clone(t, p.manifest)
	other.Masked = []federation.Columns{federation.ColumnsOf(chol - 1)}
	p.askUpdate(victim, other).refuses(t, "column 4 of the plan: 1 holders")
	masked := clone(t, p.manifest)
	masked.Masked = []federation.Columns{federation.ColumnsOf(chol, chol-1)}
	p.askUpdate(victim, masked).refuses(t, "group 0: column 3 of the plan is masked and each hospital of the group has it")
	masked.Masked = []federation.Columns{federation.ColumnsOf(chol)}
	p.askUpdate(victim, masked).sends(t, "submission")
}

// TestColumnCalledLate is the attack that loses the other holders of a column after the
// manifest: custodians are not ready for what is left.
func TestColumnCalledLate(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	l.lose("chol", l.sites[3])
	p := l.gather(l.statistics()).collect()
	p.askReady(l.sites[0], p.of(l.sites[0], l.sites[1], l.sites[3])).refuses(t, "group 0: column 4 of the plan: 2 holders, fewer than K = 3")
	p.askReady(l.sites[0], p.of(l.sites[:3]...)).sends(t, "ready")
}
