// Package rpc serves hospitals over gRPC: mutual TLS 1.3, one caller identity a
// connection, bounds on every message, and errors with a kind and a sentence.
//
// It decides nothing: it maps the wire to the methods of package coordinator, which
// verify what was signed. The caller's identity is the TLS key that the charter names;
// what a message speaks for is checked against it there.
//
// A Server is safe for concurrent use.
package rpc
