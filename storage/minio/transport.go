package minio

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"

	s3 "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// newTransport is one pool of connections for all clients. It uses no proxy, and TLS 1.2
// or later.
func newTransport(c Config) *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: c.Patience / 2}).DialContext,
		TLSHandshakeTimeout: c.Patience / 2,
		MaxIdleConns:        maxConnections,
		MaxIdleConnsPerHost: maxConnections,
		IdleConnTimeout:     idleTime,
		DisableCompression:  true,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.CA},
	}
}

// markDeleted tells minio-go that "not found" is a delete marker, where the server says so.
type markDeleted struct{ next http.RoundTripper }

func (m markDeleted) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := m.next.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusNotFound && resp.Header.Get("X-Amz-Delete-Marker") == "true" {
		resp.Header.Set("X-Minio-Error-Code", codeDeleted)
	}
	return resp, err
}

// account is one credential's clients, one for each endpoint.
type account []*s3.Core

func newAccount(c Config, cred Credentials, transport http.RoundTripper) (account, error) {
	var a account
	for _, e := range c.Endpoints {
		u, err := parseEndpoint(e)
		if err != nil {
			return nil, err
		}
		core, err := s3.NewCore(u.Host, &s3.Options{
			Creds:        credentials.NewStaticV4(cred.AccessKey, cred.Secret.text, cred.Token.text),
			Secure:       u.Scheme == "https",
			Transport:    transport,
			Region:       c.Region,
			BucketLookup: s3.BucketLookupPath,
			MaxRetries:   1,
		})
		if err != nil {
			return nil, err
		}
		a = append(a, core)
	}
	return a, nil
}

// isDataName: the Data credential's objects are those that hold no history.
func isDataName(name string) bool {
	for _, folder := range dataFolders {
		if strings.HasPrefix(name, folder) {
			return true
		}
	}
	return false
}
