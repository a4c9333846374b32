package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// fault is one thing that happens to one victim, some time into a round.
type fault struct {
	Victim  string
	Kind    faultKind
	Entries int           // of the round, in the log, before it happens
	After   time.Duration // that
	For     time.Duration // until it is over; a killed process starts again
	Node    int           // of a store of several
}

type faultKind string

const (
	faultKill   faultKind = "kill"   // kill -9
	faultPause  faultKind = "pause"  // SIGSTOP, then SIGCONT
	faultCut    faultKind = "cut"    // no byte passes between it and others; connections stay
	faultRefuse faultKind = "refuse" // its connections are closed, and new ones refused
	faultForget faultKind = "forget" // no byte of its connections arrives any more; new ones work
)

func (f fault) String() string {
	return fmt.Sprintf("%s %s for %s, %s after %d entries", f.Kind, f.Victim, f.For, f.After, f.Entries)
}

// victim is what faults can happen to.
type victim struct {
	name  string
	kinds []faultKind
}

// rarely are the kinds of fault that cost half a minute each: until a keep-alive fails.
func rarely(kinds []faultKind, rare faultKind) []faultKind {
	return append(slices.Repeat(kinds, 4), rare)
}

// roundEntries is about how many entries a round of four hospitals has.
const roundEntries = 22

// faultsOf is what happens in a round: it follows from the seed and the round's number.
func faultsOf(seed, round uint64, victims []victim) []fault {
	rng := rand.New(rand.NewPCG(seed, round))
	var list []fault
	for range []int{0, 0, 1, 1, 1, 1, 2, 2, 2, 3}[rng.IntN(10)] {
		v := victims[rng.IntN(len(victims))]
		f := fault{Victim: v.name, Kind: v.kinds[rng.IntN(len(v.kinds))], Entries: rng.IntN(roundEntries),
			After: time.Duration(rng.IntN(60)) * time.Millisecond, Node: rng.IntN(1 << 16)}
		if rng.IntN(4) > 0 {
			f.For = time.Duration(50+rng.IntN(500)) * time.Millisecond
		} else {
			f.For = time.Duration(500+rng.IntN(4500)) * time.Millisecond
		}
		list = append(list, f)
	}
	return list
}
