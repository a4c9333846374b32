package rpc

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"

	"atrium/coordinator/federation"
)

// ServerTLS returns the coordinator's side of mutual TLS 1.3 with a hybrid
// post-quantum key exchange and nothing else.
func ServerTLS(cert tls.Certificate, hospitals *x509.CertPool) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: hospitals,
		MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}}
}

// ErrStranger: the TLS key is not one of the charter's.
var ErrStranger = errors.New("TLS key is not in the charter")

// caller is a connection whose TLS key is in a charter served here; which hospital that
// is in a federation is asked with each call.
type caller struct{ credentials.TLSInfo }

// admission is TLS credentials that admit the charter's hospitals, whose connections they
// report to Presence, and those that it removed, who are told so.
type admission struct {
	credentials.TransportCredentials
	federations *served
	logger      *slog.Logger
	door        *door
}

// noteClock tells the operator of a hospital that is kept out by a date: it only hears
// that its certificate is refused.
func (a admission) noteClock(err error) {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		a.logger.Warn("a hospital's certificate is not valid by this machine's clock: set the clock, or have the certificate renewed",
			"tls_key", federation.Sum(invalid.Cert.RawSubjectPublicKeyInfo).Short(), "valid_from", federation.FormatTime(invalid.Cert.NotBefore),
			"valid_to", federation.FormatTime(invalid.Cert.NotAfter), "now", federation.FormatTime(time.Now()))
	}
}

// ServerHandshake implements credentials.TransportCredentials.
func (a admission) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	stranger := a.door.knocking(raw)
	defer a.door.gone(stranger) // an error closes it
	conn, info, err := a.TransportCredentials.ServerHandshake(stranger)
	if err != nil {
		a.noteClock(err)
		return nil, nil, err
	}
	state, ok := info.(credentials.TLSInfo)
	if !ok || len(state.State.PeerCertificates) == 0 {
		return nil, nil, errors.Join(ErrStranger, conn.Close())
	}
	key := federation.Digest(sha256.Sum256(state.State.PeerCertificates[0].RawSubjectPublicKeyInfo))
	var leave []func()
	admitted := false
	for _, c := range a.federations.list() { // a hospital may be in several
		admitted = admitted || slices.ContainsFunc(c.Removed(), func(m federation.Member) bool { return m.TLSKey == key })
		for _, m := range c.Charter().Members {
			if m.TLSKey == key {
				c.Presence().Connected(m.ID)
				leave = append(leave, func() { c.Presence().Disconnected(m.ID) })
			}
		}
	}
	if len(leave) == 0 && !admitted {
		return nil, nil, errors.Join(fmt.Errorf("%w: %s", ErrStranger, key.Short()), conn.Close())
	}
	leave = append(leave, a.door.inside(stranger, key))
	return &countedConn{Conn: conn, closed: func() {
		for _, f := range leave {
			f()
		}
	}}, caller{state}, nil
}

// Clone implements credentials.TransportCredentials.
func (a admission) Clone() credentials.TransportCredentials {
	return admission{a.TransportCredentials.Clone(), a.federations, a.logger, a.door}
}

// ClientHandshake is not used by a server.
func (a admission) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("server credentials")
}

// countedConn says once that it closed.
type countedConn struct {
	net.Conn
	once   sync.Once
	closed func()
}

func (c *countedConn) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}
