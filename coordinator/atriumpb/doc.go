// Package atriumpb is the wire format between hospitals and coordinator: atrium.proto
// and the code generated from it, nothing else.
package atriumpb

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative atrium.proto
