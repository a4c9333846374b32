package client

import (
	"context"
	"slices"

	"atrium/aggregation"
	"atrium/client/dataset"
	"atrium/client/train"
	"atrium/coordinator/federation"
	"atrium/storage/models"
)

// trainAlone trains the plan's model on records in one place, normalised by their own mean
// and deviation, for as many rounds as the plan has; a model that starts anew here is
// trained as a whole, unless it is external. Round i, from 0, is seeded by seed+i;
// after is called behind each.
func trainAlone(ctx context.Context, p federation.Plan, t train.Trainer, records *dataset.Table, seed uint64, after func()) ([]float32, aggregation.Normalisation, error) {
	norm, err := aggregation.FromSums(dataset.Sums(records, p, max(records.Rows, 1)), dataset.Ranges(p))
	if err != nil {
		return nil, norm, err
	}
	x, y, err := records.Inputs(norm)
	if err != nil {
		return nil, norm, err
	}
	params := models.InitialParameters(p)
	if p.Model.Kind != federation.External {
		p.Local.Trained = nil
	}
	for i := range p.Schedule.Rounds {
		delta, _, err := t.Train(ctx, params, nil, x, y, records.Rows, p.LocalAt(uint64(i)), seed+uint64(i))
		if err != nil {
			return nil, norm, err
		}
		for j, v := range delta {
			params[j] += v
		}
		after()
	}
	return params, norm, nil
}

// fineTune trains parameters on with a hospital's own records for the plan's number of
// steps, and returns others.
func fineTune(ctx context.Context, p federation.Plan, t train.Trainer, records *dataset.Table, params []float32, norm aggregation.Normalisation, seed uint64) ([]float32, error) {
	x, y, err := dataset.View(records, p, norm, "").Inputs(norm)
	if err != nil {
		return nil, err
	}
	tuned, local := slices.Clone(params), p.Local
	local.Steps, local.Epochs, local.EarlyStop = local.FineTune, 0, federation.EarlyStop{}
	delta, _, err := t.Train(ctx, tuned, nil, x, y, records.Rows, local, seed)
	if err != nil {
		return nil, err
	}
	for i, v := range delta {
		tuned[i] += v
	}
	return tuned, nil
}

// scoreAll returns the probability of each record.
func scoreAll(p federation.Plan, t train.Trainer, params []float32, norm aggregation.Normalisation, records *dataset.Table) ([]float64, error) {
	x, _, err := dataset.View(records, p, norm, "").Inputs(norm)
	if err != nil {
		return nil, err
	}
	return t.Score(params, x, records.Rows)
}
