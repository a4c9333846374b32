package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc/credentials"

	"atrium/coordinator/federation"
)

// ClientTLS returns a hospital's side of mutual TLS 1.3 with a hybrid post-quantum key
// exchange and nothing else.
func ClientTLS(cert tls.Certificate, coordinator *x509.CertPool, serverName string) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: coordinator, ServerName: serverName,
		MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}}
}

// dated is TLS that says what to do when a date keeps the two sides apart.
type dated struct {
	credentials.TransportCredentials
}

// ClientHandshake implements credentials.TransportCredentials.
func (d dated) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := d.TransportCredentials.ClientHandshake(ctx, authority, raw)
	return conn, info, clockAdvice(err, time.Now())
}

// Clone implements credentials.TransportCredentials.
func (d dated) Clone() credentials.TransportCredentials { return dated{d.TransportCredentials.Clone()} }

func clockAdvice(err error, now time.Time) error {
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		return err
	}
	return fmt.Errorf("the coordinator's certificate is valid from %s to %s and this machine's clock says %s: set the clock, or have the certificate renewed: %w",
		federation.FormatTime(invalid.Cert.NotBefore), federation.FormatTime(invalid.Cert.NotAfter), federation.FormatTime(now), err)
}
