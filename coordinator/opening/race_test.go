//go:build race

package opening

const raceEnabled = true
