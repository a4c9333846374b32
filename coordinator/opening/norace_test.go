//go:build !race

package opening

const raceEnabled = false
