package minio

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"atrium/storage"
)

// DefaultRegion is what S3 servers without regions expect.
const DefaultRegion = "us-east-1"

// ErrConfig marks a Config that cannot work.
var ErrConfig = errors.New("S3 configuration is wrong")

// Config says where the store is and how to reach it. Zero values: Prefix the whole
// bucket; Pointers is Bucket; Region [DefaultRegion]; CA the system's; Log and Retire are
// Data; Patience 5 s.
type Config struct {
	Endpoints []string // https://host:port, of one store, the next when one does not answer; http on loopback only
	Bucket    string   // S3 bucket
	Prefix    string   // folder in it, without a slash at its end
	Pointers  string   // unversioned S3 bucket of what is swapped or deleted; same folder
	Region    string
	CA        *x509.CertPool // authorities of the endpoints' certificates

	Data   Credentials // blobs, models, ciphertexts, envelopes
	Log    Credentials // batches, tiles, pointers
	Retire Credentials // deletes

	// Patience bounds a call, all attempts together, with one second more a MiB. It stays
	// below the lease of a leader.
	Patience time.Duration
}

// bucketName is the common ground of S3 servers.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)

// ValidBucket reports whether every S3 server takes name for a bucket.
func ValidBucket(name string) bool { return bucketName.MatchString(name) }

// ValidPrefix reports whether prefix can be a Config's, which may be empty besides.
func ValidPrefix(prefix string) bool {
	return storage.CheckName(prefix) == nil && len(prefix) <= storage.MaxElement
}

// Validate reports what is wrong, with [ErrConfig].
func (c Config) Validate() error {
	if err := c.validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

func (c Config) validate() error {
	if len(c.Endpoints) == 0 {
		return errors.New("no endpoint")
	}
	for _, e := range c.Endpoints {
		u, err := parseEndpoint(e)
		if err != nil {
			return err
		}
		if first, _ := parseEndpoint(c.Endpoints[0]); u.Scheme != first.Scheme {
			return fmt.Errorf("endpoint %s: the endpoints mix http and https", e)
		}
	}
	if !ValidBucket(c.Bucket) {
		return fmt.Errorf("bucket %q: want 3 to 63 of a-z, 0-9 and -", c.Bucket)
	}
	if c.Pointers != "" && !ValidBucket(c.Pointers) {
		return fmt.Errorf("bucket of pointers %q: want 3 to 63 of a-z, 0-9 and -", c.Pointers)
	}
	if c.Prefix != "" && !ValidPrefix(c.Prefix) {
		return fmt.Errorf("prefix %q: want up to %d of a-z, 0-9, -, _, . and / between names", c.Prefix, storage.MaxElement)
	}
	if c.Data.AccessKey == "" || c.Data.Secret.empty() {
		return errors.New("no credentials")
	}
	if c.Patience < 0 {
		return fmt.Errorf("patience %s", c.Patience)
	}
	return nil
}

// parseEndpoint accepts https://host[:port], and http for this machine only.
func parseEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("endpoint %q: want https://host:port", redactURL(text))
	}
	switch u.Scheme {
	case "https":
		return u, nil
	case "http":
		if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
			return u, nil
		}
		return nil, fmt.Errorf("endpoint %s: http would send everything in the clear: want https, or an address on loopback", text)
	}
	return nil, fmt.Errorf("endpoint %q: want https://host:port", redactURL(text))
}

// redactURL keeps what stands before an @ out of an error.
func redactURL(text string) string {
	if _, host, found := strings.Cut(text, "@"); found {
		return "...@" + host
	}
	return text
}

func (c Config) withDefaults() Config {
	if c.Pointers == "" {
		c.Pointers = c.Bucket
	}
	if c.Region == "" {
		c.Region = DefaultRegion
	}
	if c.Log.AccessKey == "" {
		c.Log = c.Data
	}
	if c.Retire.AccessKey == "" {
		c.Retire = c.Data
	}
	if c.Patience == 0 {
		c.Patience = defaultPatience
	}
	return c
}
