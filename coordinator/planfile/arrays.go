package planfile

import "atrium/coordinator/federation"

func conv(filters, kernel int) federation.Layer {
	return federation.Layer{Kind: federation.Conv, Filters: filters, Kernel: kernel}
}
func pool(size int) federation.Layer { return federation.Layer{Kind: federation.Pool, Size: size} }
func dense(units int) federation.Layer {
	return federation.Layer{Kind: federation.Dense, Units: units}
}

// ECG is the built-in plan for heartbeats: ventricular ectopic or normal, from 126
// samples at 180 Hz around the R peak, by a one-dimensional convolutional network.
func ECG() federation.Plan {
	p := arrays("ecg", federation.Input{Shape: []int{126}, Scaling: federation.ScaleRecord},
		conv(8, 7), pool(2), conv(16, 5), pool(2), dense(32))
	p.Features = []federation.Feature{{Name: "lead", Unit: "ADC", Min: -2048, Max: 2047, Missing: federation.MissingReject,
		Note: "one lead, 126 samples at 180 Hz, the R peak at sample 45 from 0"}}
	p.Label = federation.Label{Name: "ventricular", Note: "1: ventricular ectopic beat (AAMI V), 0: normal (AAMI N)"}
	return p
}

// Chest is the built-in plan for small chest X-rays: pneumonia or not, from 28 × 28
// pixels, by a two-dimensional convolutional network.
func Chest() federation.Plan {
	p := arrays("chest", federation.Input{Shape: []int{28, 28}, Scaling: federation.ScaleTogether},
		conv(8, 3), pool(2), conv(16, 3), pool(2), dense(32))
	p.Features = []federation.Feature{{Name: "pixel", Min: 0, Max: 255, Missing: federation.MissingReject,
		Note: "28 × 28 grey values, row by row from the top left"}}
	p.Label = federation.Label{Name: "pneumonia", Note: "1: pneumonia, 0: normal"}
	return p
}

func arrays(name string, input federation.Input, layers ...federation.Layer) federation.Plan {
	p := Defaults()
	p.Name = name
	p.Model = federation.Model{Kind: federation.Layers, Input: input, Layers: layers}
	p.Local = federation.Local{Optimiser: federation.Adam, LearningRate: 1e-3, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Epochs: 1, Batch: 32,
		Rate: federation.Rate{Schedule: federation.Cosine, Final: 0.1}}
	p.Schedule.Rounds = 30
	p.Schedule.GatherSeconds, p.Schedule.UpdateSeconds, p.Schedule.OpenSeconds = 20, 300, 20
	p.Schedule.GraceSeconds = 3
	p.Privacy.WeightCap = 2048
	return p
}
