//go:build !(goexperiment.runtimesecret && linux && (amd64 || arm64))

package secrecy

// Erases reports whether Do erases.
const Erases = false

// Do calls f.
func Do(f func()) { f() }

// Collect does nothing: nothing would be erased.
func Collect() {}
