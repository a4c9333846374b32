//go:build goexperiment.runtimesecret && linux && (amd64 || arm64)

package secrecy

import (
	"runtime"
	"runtime/secret"
)

// Erases reports whether Do erases.
const Erases = true

// Do calls f and erases what it leaves behind.
func Do(f func()) { secret.Do(f) }

// Collect erases at once what was allocated in Do and is referred to no more.
func Collect() { runtime.GC() }
