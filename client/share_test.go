package client

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"atrium/client/dataset"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
)

// teller is a coordinator that says what became of the last round.
type teller struct {
	atriumpb.CoordinatorClient
	last *opening.LastRound
}

func (l *teller) Status(context.Context, *atriumpb.StatusRequest, ...grpc.CallOption) (*atriumpb.StatusReply, error) {
	b, err := json.Marshal(struct {
		Last *opening.LastRound `json:"last,omitempty"`
	}{l.last})
	return &atriumpb.StatusReply{Json: b}, err
}

// TestTally: a round that a daemon joined in time counts when it is known what became of it,
// once; those that it declined, and for which others were drawn, do not.
func TestTally(t *testing.T) {
	var out bytes.Buffer
	from, dir := &teller{}, t.TempDir()
	d := &Daemon{cfg: Config{Logger: slog.New(slog.NewTextHandler(&out, nil)), State: dir}, link: &link{api: from}, status: newDisplay(dir, func(err error) { t.Error(err) }), train: &dataset.Table{Rows: 30}}
	for i, c := range []struct {
		what            string
		part            part
		last            *opening.LastRound
		drawn           bool
		joined, leftOut int
	}{
		{"nothing was joined", part{}, &opening.LastRound{Round: 1, Asked: true, Summed: true}, false, 0, 0},
		{"summed", part{round: 2}, &opening.LastRound{Round: 2, Asked: true, Summed: true}, false, 1, 0},
		{"told twice", part{}, &opening.LastRound{Round: 2, Asked: true, Summed: true}, false, 1, 0},
		{"not published", part{round: 3}, &opening.LastRound{Round: 2, Asked: true, Summed: true}, false, 1, 0},
		{"not known", part{round: 3}, nil, false, 1, 0},
		{"declined", part{round: 4, declined: true}, &opening.LastRound{Round: 4, Asked: true}, false, 1, 0},
		{"asked and left out", part{round: 5}, &opening.LastRound{Round: 5, Asked: true}, false, 2, 1},
		{"not even asked", part{round: 6}, &opening.LastRound{Round: 6}, false, 3, 2},
		{"others were drawn", part{round: 7}, &opening.LastRound{Round: 7}, true, 3, 2},
	} {
		d.part, from.last = c.part, c.last
		d.cfg.Plan.Schedule.Cohort = federation.Cohort{}
		if c.drawn {
			d.cfg.Plan.Schedule.Cohort.Size = 3
		}
		d.tally(t.Context())
		if s := d.status.get(); s.Joined != c.joined || s.LeftOut != c.leftOut {
			t.Errorf("%d, %s: %d rounds, left out of %d; want %d and %d", i, c.what, s.Joined, s.LeftOut, c.joined, c.leftOut)
		}
	}
	if s, err := ReadStatus(d.cfg.State); err != nil || s.Joined != 3 || s.LeftOut != 2 {
		t.Errorf("status file: %+v, %v", s, err)
	}
	if n := strings.Count(out.String(), "left out of a round that was joined in time"); n != 2 {
		t.Errorf("%d warnings, want 2:\n%s", n, &out)
	}
}
