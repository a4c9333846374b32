package planfile

import "atrium/coordinator/federation"

// Cardiology is the built-in plan of the demo: heart disease from 13 features coded as
// in FLamby's preparation of the UCI Heart Disease data (cp and restecg as indicator
// columns), by federated logistic regression.
func Cardiology() federation.Plan {
	p := Defaults()
	p.Name = "cardiology"
	number := func(name, unit string, low, high float64, note string) federation.Feature {
		return federation.Feature{Name: name, Unit: unit, Min: low, Max: high, Missing: federation.MissingMean, Note: note}
	}
	flag := func(name, note string) federation.Feature { return number(name, "", 0, 1, note) }
	p.Features = []federation.Feature{
		number("age", "year", 18, 100, ""),
		flag("sex", "1: male, 0: female"),
		number("trestbps", "mmHg", 0, 260, "systolic blood pressure at rest; 0 means 'not measured' at some hospitals and is used as it is"),
		number("chol", "mg/dl", 0, 700, "serum cholesterol; 0 means 'not measured' at some hospitals and is used as it is"),
		flag("fbs", "fasting blood sugar above 120 mg/dl"),
		number("thalach", "1/min", 50, 230, "greatest heart rate in the exercise test"),
		flag("exang", "angina in the exercise test"),
		number("oldpeak", "mm", -5, 10, "ST depression by exercise, relative to rest"),
		flag("cp_2", "chest pain: atypical angina"),
		flag("cp_3", "chest pain: not angina"),
		flag("cp_4", "no chest pain"),
		flag("restecg_1", "ECG at rest: ST-T abnormality"),
		flag("restecg_2", "ECG at rest: left ventricular hypertrophy"),
	}
	p.Label = federation.Label{Name: "disease", Note: "1: a coronary vessel narrowed by more than half"}
	p.Local.LearningRate, p.Local.Steps = 0.1, 10
	p.Schedule.GatherSeconds, p.Schedule.UpdateSeconds, p.Schedule.OpenSeconds = 20, 60, 20
	p.Schedule.GraceSeconds = 3
	return p
}
