package secrecy

import (
	"errors"
	"runtime/debug"
	"testing"
)

// The build that a release is made with erases; see the Makefile.
func TestErasesFollowsTheBuild(t *testing.T) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		t.Fatal("no build information")
	}
	on := false
	for _, s := range info.Settings {
		on = on || s.Key == "GOEXPERIMENT" && s.Value == "runtimesecret"
	}
	if on != Erases {
		t.Errorf("built with the experiment: %v, erases: %v", on, Erases)
	}
}

func TestDoReturnsAndPanicsAsItsFunction(t *testing.T) {
	var got []byte
	Do(func() { got = append(got, 1, 2, 3) })
	Collect()
	if len(got) != 3 || got[2] != 3 {
		t.Errorf("%v: what is referred to was erased", got)
	}
	want := errors.New("as it is")
	defer func() {
		if p := recover(); p != want {
			t.Errorf("recovered %v", p)
		}
	}()
	Do(func() { panic(want) })
}
