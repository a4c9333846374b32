package miniotest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	s3 "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"atrium/storage/minio"
)

// Server is a running S3 store.
type Server struct {
	Endpoints []string // URLs
	AccessKey string   // of its root
	SecretKey string
	CA        *x509.CertPool // of its certificate; nil for plain http
	CAFile    string         // the same as PEM
	Nodes     []*Node

	client *s3.Client
	http   *http.Client
	space  *space
	doors  []*door
	disk   string
}

// startTime bounds how long a server may take until it serves.
const startTime = 60 * time.Second

// StartMinIO starts one node in dir, with TLS if asked.
func StartMinIO(dir string, tls bool) (*Server, error) { return startMinIO(dir, tls, nil) }

func startMinIO(dir string, tls bool, disk *space) (*Server, error) {
	program, err := Binary("minio")
	if err != nil {
		return nil, err
	}
	s := newServer()
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	certs := filepath.Join(dir, "certs")
	scheme := "http"
	if tls {
		scheme = "https"
		if s.CA, s.CAFile, err = makeCertificate(certs); err != nil {
			return nil, err
		}
	}
	s.Endpoints, s.space, s.disk = []string{scheme + "://" + address}, disk, filepath.Join(dir, "data")
	s.Nodes = []*Node{{name: "minio", program: program, log: filepath.Join(dir, "minio.log"), env: s.minioEnv(), space: disk,
		args: []string{"server", "--quiet", "--address", address, "--certs-dir", certs, filepath.Join(dir, "data")}}}
	return s, s.start()
}

// StartVersity starts versitygw over a directory in dir, which must have extended attributes.
func StartVersity(dir string) (*Server, error) {
	program, err := Binary("versitygw")
	if err != nil {
		return nil, err
	}
	s := newServer()
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	data, versions := filepath.Join(dir, "data"), filepath.Join(dir, "versions")
	if err := errors.Join(os.MkdirAll(data, 0o700), os.MkdirAll(versions, 0o700)); err != nil {
		return nil, err
	}
	s.Endpoints = []string{"http://" + address}
	s.Nodes = []*Node{{name: "versitygw", program: program, log: filepath.Join(dir, "versitygw.log"),
		env:  []string{"ROOT_ACCESS_KEY=" + s.AccessKey, "ROOT_SECRET_KEY=" + s.SecretKey},
		args: []string{"--port", address, "--quiet", "posix", "--versioning-dir", versions, data}}}
	return s, s.start()
}

func newServer() *Server {
	return &Server{AccessKey: "atrium-test", SecretKey: rand.Text()}
}

func (s *Server) minioEnv() []string {
	return []string{"MINIO_ROOT_USER=" + s.AccessKey, "MINIO_ROOT_PASSWORD=" + s.SecretKey, "MINIO_FS_OSYNC=on",
		"MINIO_BROWSER=off", "MINIO_UPDATE=off", "MINIO_CI_CD=1", "MINIO_API_REQUESTS_MAX=1000"}
}

// start runs every node and waits until the store serves.
func (s *Server) start() error {
	err := s.connect()
	for _, n := range s.Nodes {
		err = errors.Join(err, n.Start())
	}
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), startTime)
		defer cancel()
		err = s.Ready(ctx)
	}
	if err != nil {
		s.Stop()
	}
	return err
}

func (s *Server) connect() error {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if s.CA != nil {
		transport.TLSClientConfig.RootCAs = s.CA
	}
	s.http = &http.Client{Transport: transport}
	var err error
	s.client, err = s.As(Key{Access: s.AccessKey, Secret: s.SecretKey})
	return err
}

// Ready waits until the first node answers for the whole store, and starts nodes again that
// ended by themselves meanwhile.
func (s *Server) Ready(ctx context.Context) error {
	for {
		for _, n := range s.Nodes {
			if err := n.Revive(); err != nil {
				return err
			}
		}
		_, err := s.client.BucketExists(ctx, "ready")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not serve: %w\n%s", s.Nodes[0].name, err, s.Nodes[0].lastWords())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Stop kills every node.
func (s *Server) Stop() {
	for _, n := range s.Nodes {
		n.Kill()
	}
	for _, d := range s.doors {
		d.close()
	}
	if s.space != nil {
		s.space.close()
	}
}

// Client is minio-go's, for what a test must do to the store behind Atrium's back.
func (s *Server) Client() *s3.Client { return s.client }

// MakeBucket makes an S3 bucket.
func (s *Server) MakeBucket(ctx context.Context, name string, versioned bool) error {
	err := s.client.MakeBucket(ctx, name, s3.MakeBucketOptions{})
	if err == nil && versioned {
		err = s.client.EnableVersioning(ctx, name)
	}
	return err
}

// NewBucket makes an S3 bucket with a name of its own.
func (s *Server) NewBucket(ctx context.Context, versioned bool) (string, error) {
	name := "test-" + strings.ToLower(rand.Text()[:12])
	return name, s.MakeBucket(ctx, name, versioned)
}

// Config reaches a folder of an S3 bucket as root.
func (s *Server) Config(bucket, prefix string) minio.Config {
	return minio.Config{Endpoints: s.Endpoints, CA: s.CA, Bucket: bucket, Prefix: prefix,
		Data: minio.Credentials{AccessKey: s.AccessKey, Secret: minio.NewSecret(s.SecretKey)}}
}

// Key is a credential of a test.
type Key struct{ Access, Secret, Token string }

// Line is the key as a file of credentials has it.
func (k Key) Line() string { return k.Access + ":" + k.Secret + ":" + k.Token }

// Restricted makes temporary credentials of the root of a MinIO that may do what a policy
// says and nothing else.
func (s *Server) Restricted(policy string) (Key, error) {
	var compact bytes.Buffer // a session's policy is short
	if err := json.Compact(&compact, []byte(policy)); err != nil {
		return Key{}, err
	}
	sts := &credentials.STSAssumeRole{Client: s.http, STSEndpoint: s.Endpoints[0], Options: credentials.STSAssumeRoleOptions{
		AccessKey: s.AccessKey, SecretKey: s.SecretKey, Policy: compact.String(), DurationSeconds: 3600, Location: minio.DefaultRegion}}
	v, err := sts.Retrieve()
	return Key{v.AccessKeyID, v.SecretAccessKey, v.SessionToken}, err
}

// As is minio-go's client with other credentials than the root's.
func (s *Server) As(k Key) (*s3.Client, error) {
	u, err := url.Parse(s.Endpoints[0])
	if err != nil {
		return nil, err
	}
	return s3.New(u.Host, &s3.Options{Creds: credentials.NewStaticV4(k.Access, k.Secret, k.Token), Secure: s.CA != nil,
		Transport: s.http.Transport, Region: minio.DefaultRegion, BucketLookup: s3.BucketLookupPath, MaxRetries: 1})
}

// freeAddress asks the system for a port on loopback.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
