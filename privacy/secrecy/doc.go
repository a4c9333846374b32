// Package secrecy erases what computations with secrets leave behind: Do, around a
// computation, and Collect, when its secrets are used no more.
//
// A program built with GOEXPERIMENT=runtimesecret (make release) clears registers and the
// stack after Do, and whatever was allocated inside once the garbage collector finds that
// nothing refers to it; see runtime/secret. Elsewhere Do only calls, and Erases is false.
// Neither reaches goroutines that the computation starts, nor copies that were made
// outside; buffers that outlive a computation are cleared by whoever owns them.
//
// It is safe for concurrent use.
package secrecy
