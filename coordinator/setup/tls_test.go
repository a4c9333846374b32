package setup_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"atrium/client"
	"atrium/cmd/atrium/plans"
	"atrium/coordinator/rpc"
	"atrium/coordinator/setup"
)

// party is one end of a connection.
type party struct {
	cert tls.Certificate
	pool *x509.CertPool
}

func load(t *testing.T, folder string) party {
	t.Helper()
	in := func(name string) string { return filepath.Join(folder, name) }
	cert, err := setup.LoadKeyPair(in("tls.crt"), in("tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	pool, err := setup.LoadPool(in("ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	return party{cert, pool}
}

func parties(t *testing.T, address string) (server, hospital party) {
	t.Helper()
	r, err := setup.Init(context.Background(), setup.Options{Dir: filepath.Join(t.TempDir(), "fed"),
		Hospitals: []string{"a", "b", "c"}, Plan: plans.Cardiology(), Address: address})
	if err != nil {
		t.Fatal(err)
	}
	return load(t, r.Coordinator), load(t, r.Hospitals[0].Folder)
}

// handshake returns what each side thinks of a connection with one byte each way.
func handshake(server, client *tls.Config) (serverErr, clientErr error) {
	a, b := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- exchange(tls.Server(a, server)) }()
	clientErr = exchange(tls.Client(b, client))
	return <-done, clientErr
}

func exchange(c *tls.Conn) error {
	defer c.NetConn().Close()
	if err := c.Handshake(); err != nil {
		return err
	}
	if c.ConnectionState().CurveID != tls.X25519MLKEM768 || c.ConnectionState().Version != tls.VersionTLS13 {
		return errors.New("not TLS 1.3 with the hybrid key exchange")
	}
	sent := make(chan error, 1)
	go func() { _, err := c.Write([]byte{1}); sent <- err }()
	if _, err := c.Read(make([]byte, 1)); err != nil {
		return err
	}
	return <-sent
}

func TestMutualTLS(t *testing.T) {
	for _, c := range []struct{ address, name string }{
		{"127.0.0.1:7443", "127.0.0.1"}, {"[::1]:7443", "::1"}, {"atrium.example.org:443", "atrium.example.org"},
	} {
		server, hospital := parties(t, c.address)
		s, h := handshake(rpc.ServerTLS(server.cert, server.pool), client.ClientTLS(hospital.cert, hospital.pool, c.name))
		if s != nil || h != nil {
			t.Errorf("%s: server %v, hospital %v", c.address, s, h)
		}
	}
}

func TestMutualTLSRefuses(t *testing.T) {
	server, hospital := parties(t, "127.0.0.1:7443")
	otherServer, otherHospital := parties(t, "127.0.0.1:7443")
	const name = "127.0.0.1"
	for what, c := range map[string]struct{ server, client *tls.Config }{
		"hospital of another federation": {rpc.ServerTLS(server.cert, server.pool), client.ClientTLS(otherHospital.cert, hospital.pool, name)},
		"coordinator of another":         {rpc.ServerTLS(otherServer.cert, server.pool), client.ClientTLS(hospital.cert, hospital.pool, name)},
		"another host":                   {rpc.ServerTLS(server.cert, server.pool), client.ClientTLS(hospital.cert, hospital.pool, "10.0.0.1")},
		"server that shows a hospital's": {rpc.ServerTLS(hospital.cert, server.pool), client.ClientTLS(hospital.cert, hospital.pool, name)},
		"hospital that shows a server's": {rpc.ServerTLS(server.cert, server.pool), client.ClientTLS(server.cert, hospital.pool, name)},
		"no client certificate":          {rpc.ServerTLS(server.cert, server.pool), client.ClientTLS(tls.Certificate{}, hospital.pool, name)},
		"TLS 1.2 client":                 {rpc.ServerTLS(server.cert, server.pool), old(client.ClientTLS(hospital.cert, hospital.pool, name))},
		"TLS 1.2 server":                 {old(rpc.ServerTLS(server.cert, server.pool)), client.ClientTLS(hospital.cert, hospital.pool, name)},
		"classical key exchange":         {rpc.ServerTLS(server.cert, server.pool), classical(client.ClientTLS(hospital.cert, hospital.pool, name))},
	} {
		s, h := handshake(c.server, c.client)
		if s == nil || h == nil {
			t.Errorf("%s: server %v, hospital %v: want both refused", what, s, h)
		}
	}
}

func old(c *tls.Config) *tls.Config {
	c.MinVersion, c.MaxVersion, c.CurvePreferences = tls.VersionTLS12, tls.VersionTLS12, nil
	return c
}

func classical(c *tls.Config) *tls.Config {
	c.CurvePreferences = []tls.CurveID{tls.X25519}
	return c
}

func TestCertificateOutsideItsDatesIsRefused(t *testing.T) {
	dir := t.TempDir()
	for name, now := range map[string]time.Time{"past": time.Now().AddDate(-2, 0, -1), "future": time.Now().Add(2 * time.Hour), "fine": time.Now()} {
		made, err := setup.Init(t.Context(), setup.Options{Dir: filepath.Join(dir, name), Hospitals: []string{"a", "b", "c"}, Plan: plans.Cardiology(),
			Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		cert := filepath.Join(made.Coordinator, "tls.crt")
		_, err = setup.LoadKeyPair(cert, filepath.Join(made.Coordinator, "tls.key"))
		if errors.Is(err, setup.ErrClock) != (name != "fine") || err != nil && !strings.Contains(err.Error(), cert+": valid from ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
