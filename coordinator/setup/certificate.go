package setup

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"atrium/coordinator/federation"
)

// PEM block types.
const (
	keyBlock  = "PRIVATE KEY"
	certBlock = "CERTIFICATE"
)

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// certificate is a certificate with its private key in PKCS #8 PEM.
type certificate struct {
	leaf *x509.Certificate
	key  []byte
}

// PEM is the certificate without its key.
func (c certificate) PEM() []byte { return encodePEM(certBlock, c.leaf.Raw) }

// spki is what a charter names a TLS key by.
func (c certificate) spki() federation.Digest { return federation.Sum(c.leaf.RawSubjectPublicKeyInfo) }

// authority is the federation's own certificate authority.
type authority struct {
	cert    certificate
	private *ecdsa.PrivateKey
}

// authority is the one that the options name, or a new one.
func (o Options) authority() (authority, error) {
	if o.Authority == "" {
		return newAuthority(o.Federation, o.Now())
	}
	certFile, keyFile := filepath.Join(o.Authority, "ca.crt"), filepath.Join(o.Authority, "ca.key")
	pair, err := LoadKeyPair(certFile, keyFile)
	if err != nil {
		return authority{}, err
	}
	private, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil || !ok || !leaf.IsCA {
		return authority{}, fmt.Errorf("certificate authority %s: %w: want the certificate and ECDSA key of an authority", certFile, ErrFile)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	return authority{certificate{leaf, encodePEM(keyBlock, key)}, private}, err
}

func newAuthority(name string, now time.Time) (authority, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "Atrium federation " + name},
		NotBefore: now.Add(-clockSkew), NotAfter: now.AddDate(caYears, 0, 0),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:     true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	cert, err := issue(template, template, private, private)
	return authority{cert, private}, err
}

// server issues the coordinator's certificate for the host of an address.
func (a authority) server(address string, now time.Time) (certificate, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return certificate{}, err
	}
	template := leafTemplate("coordinator", x509.ExtKeyUsageServerAuth, now)
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	return a.leaf(template)
}

// client issues a hospital's certificate.
func (a authority) client(pseudonym string, now time.Time) (certificate, error) {
	return a.leaf(leafTemplate(pseudonym, x509.ExtKeyUsageClientAuth, now))
}

func leafTemplate(name string, usage x509.ExtKeyUsage, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: now.Add(-clockSkew), NotAfter: now.AddDate(leafYears, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
		BasicConstraintsValid: true,
	}
}

func (a authority) leaf(template *x509.Certificate) (certificate, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificate{}, err
	}
	return issue(template, a.cert.leaf, private, a.private)
}

func issue(template, parent *x509.Certificate, private, signer *ecdsa.PrivateKey) (certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, private.Public(), signer)
	if err != nil {
		return certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return certificate{}, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	return certificate{leaf, encodePEM(keyBlock, key)}, err
}
