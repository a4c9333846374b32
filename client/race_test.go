//go:build race

package client_test

// slower is how many times fewer cases are run under the race detector.
const slower = 8
