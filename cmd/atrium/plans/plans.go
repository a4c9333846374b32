// Package plans holds the plans that ship with the program, as the files that `atrium plan
// init` writes: training starts from them, and the tables of the README are theirs.
//
// A plan is data: nothing here is more than a file and its name. The commands call it, and
// tests that need some plan. All functions are safe to call from any goroutine.
package plans

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
)

//go:embed *.yaml
var files embed.FS

// Names lists the plans, sorted.
func Names() []string {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		panic(err) // what is embedded can be read
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// File returns the file of a plan with every key explained; ok is false if there is none.
func File(name string) (b []byte, ok bool) {
	b, err := files.ReadFile(name + ".yaml")
	return b, err == nil
}

// Cardiology is heart disease from 13 features coded as in FLamby's preparation of the UCI
// Heart Disease data (cp and restecg as indicator columns), by logistic regression.
func Cardiology() federation.Plan { return named("cardiology") }

// ECG is heartbeats, ventricular ectopic or normal, from 126 samples at 180 Hz around the R
// peak, by a one-dimensional convolutional network.
func ECG() federation.Plan { return named("ecg") }

// Chest is small chest X-rays, pneumonia or not, from 28 × 28 pixels, by a two-dimensional
// convolutional network.
func Chest() federation.Plan { return named("chest") }

// Liver is liver disease from eight values of a laboratory, by logistic regression that each
// hospital fine-tunes: what is normal at a laboratory of blood donors is not at a clinic.
func Liver() federation.Plan { return named("liver") }

func named(name string) federation.Plan {
	b, ok := File(name)
	if !ok {
		panic(fmt.Sprintf("plan %s does not ship", name))
	}
	p, err := planfile.ParsePlan(name+".yaml", b)
	if err != nil {
		panic(err) // a test reads each
	}
	return p
}
