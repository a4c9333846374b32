package rpc

import (
	"context"
	"crypto/tls"
	"net"

	"google.golang.org/grpc"
)

// ServeWith is Serve with something between the hospitals and the server.
func (s *Server) ServeWith(ctx context.Context, listener net.Listener, config *tls.Config, between grpc.UnaryServerInterceptor) error {
	return s.serve(ctx, listener, config, grpc.UnaryInterceptor(between))
}
