package client

import (
	"crypto/tls"
	"crypto/x509"
)

// ClientTLS returns a hospital's side of mutual TLS 1.3 with a hybrid post-quantum key
// exchange and nothing else.
func ClientTLS(cert tls.Certificate, coordinator *x509.CertPool, serverName string) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: coordinator, ServerName: serverName,
		MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}}
}
