package client

import (
	"context"
	"encoding/json"
	"fmt"

	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
)

// part is this hospital's part in the round that it joined last.
type part struct {
	round    uint64
	declined bool // it said itself that it sends no update
}

// tally finds out what became of the round that was joined last, and says so: whether it was
// summed, and which share of the weight was this hospital's. The coordinator is believed:
// nothing depends on it.
func (d *Daemon) tally(ctx context.Context) {
	mine := d.part
	if mine.round == 0 || mine.declined {
		return
	}
	last, err := d.lastRound(ctx)
	if err != nil || last == nil || last.Round != mine.round {
		return // it published nothing, or it is too late to know
	}
	d.part = part{}
	if !last.Asked && d.cfg.Plan.Schedule.Cohort.On() {
		return // others were drawn
	}
	d.status.change(0, func(s *Status) {
		s.Joined++
		if !last.Summed {
			s.LeftOut++
		}
	})
	if !last.Summed {
		s := d.status.get()
		d.cfg.Logger.Warn("left out of a round that was joined in time", "round", last.Round, "kind", string(last.Kind),
			"left_out", s.LeftOut, "joined", s.Joined)
		return
	}
	if last.Kind == federation.Train {
		d.weigh(ctx, *last)
	}
}

// weigh says which share of a train round's weight was this hospital's.
func (d *Daemon) weigh(ctx context.Context, last opening.LastRound) {
	raw, err := d.link.fetch(ctx, last.Result, federation.MaxManifestBytes)
	if err != nil {
		return
	}
	result, err := opening.DecodeResult(raw)
	if err != nil || result.Train == nil || result.Round != last.Round || !(result.Train.Weight > 0) {
		return
	}
	own := d.cfg.Plan.Privacy.WeightOf(d.train.Rows)
	share := float64(own) / result.Train.Weight
	d.status.change(0, func(s *Status) { s.Share, s.ShareRound = share, last.Round })
	d.cfg.Logger.Info("summed", "round", last.Round, "own_weight", own, "weight", result.Train.Weight, "share", fmt.Sprintf("%.3f", share))
}

func (d *Daemon) lastRound(ctx context.Context) (*opening.LastRound, error) {
	reply, err := d.link.api.Status(ctx, &atriumpb.StatusRequest{Federation: d.link.federation})
	if err != nil {
		return nil, err
	}
	var s struct {
		Last *opening.LastRound `json:"last"`
	}
	return s.Last, json.Unmarshal(reply.GetJson(), &s)
}
