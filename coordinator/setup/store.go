package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"atrium/storage/location"
	"atrium/storage/minio"
)

// ErrStore marks settings of a store that are missing.
var ErrStore = errors.New("S3 store is not configured")

// S3 is what a configuration says about an S3 store, but for the place in it. Files are
// absolute or relative to the working directory; what is empty has the default of
// minio.Config.
type S3 struct {
	Endpoints []string
	Region    string
	Pointers  string // bucket
	CA        string // file
	// Files of credentials. Without the first, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
	// AWS_SESSION_TOKEN of the environment are the credentials.
	Credentials, LogCredentials, RetireCredentials string
}

// Load reads the files. [ErrStore] without endpoint or credentials; [ErrMode] for a file
// of credentials that others may read; minio.ErrConfig for what is in it.
func (s S3) Load() (minio.Config, error) {
	c := minio.Config{Endpoints: s.Endpoints, Region: s.Region, Pointers: s.Pointers}
	if len(s.Endpoints) == 0 {
		return c, fmt.Errorf("%w: set s3.endpoint in the configuration file, or ATRIUM_S3_ENDPOINT, such as https://minio.example.org:9000", ErrStore)
	}
	var err error
	if s.CA != "" {
		if c.CA, err = LoadPool(s.CA); err != nil {
			return c, err
		}
	}
	for _, f := range []struct {
		file string
		into *minio.Credentials
	}{{s.Credentials, &c.Data}, {s.LogCredentials, &c.Log}, {s.RetireCredentials, &c.Retire}} {
		if f.file == "" {
			continue
		}
		if *f.into, err = loadCredentials(f.file); err != nil {
			return c, err
		}
	}
	if s.Credentials == "" {
		c.Data, err = environmentCredentials()
	}
	return c, err
}

func loadCredentials(file string) (minio.Credentials, error) {
	b, err := readSecret(file)
	if err != nil {
		return minio.Credentials{}, fmt.Errorf("S3 credentials: %w", err)
	}
	c, err := minio.ParseCredentials(string(b))
	if err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

func environmentCredentials() (minio.Credentials, error) {
	key, secret := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	if key == "" || secret == "" {
		return minio.Credentials{}, fmt.Errorf("%w: set s3.credentials in the configuration file, or ATRIUM_S3_CREDENTIALS, "+
			"to a file of mode 0600 with ACCESS_KEY:SECRET_KEY, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", ErrStore)
	}
	return minio.Credentials{AccessKey: key, Secret: minio.NewSecret(secret), Token: minio.NewSecret(os.Getenv("AWS_SESSION_TOKEN"))}, nil
}

// absolute makes the files independent of the working directory.
func (s S3) absolute() (S3, error) {
	var errs []error
	for _, file := range []*string{&s.CA, &s.Credentials, &s.LogCredentials, &s.RetireCredentials} {
		if *file != "" {
			var err error
			*file, err = filepath.Abs(*file)
			errs = append(errs, err)
		}
	}
	return s, errors.Join(errs...)
}

// config is the section of a configuration file, each file by its path.
func (s S3) config() []byte {
	var quoted []string
	for _, e := range s.Endpoints {
		quoted = append(quoted, quote(e))
	}
	var w bytes.Buffer
	fmt.Fprintf(&w, "s3:\n  endpoint: [%s] # of one store, tried in turn\n", strings.Join(quoted, ", "))
	for _, line := range [][3]string{
		{"region", s.Region, ""}, {"pointers", s.Pointers, " # bucket without versions"}, {"ca", s.CA, ""},
		{"credentials", s.Credentials, " # secret; without it AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
		{"log_credentials", s.LogCredentials, " # secret"}, {"retire_credentials", s.RetireCredentials, " # secret"},
	} {
		if line[1] != "" {
			fmt.Fprintf(&w, "  %s: %s%s\n", line[0], quote(line[1]), line[2])
		}
	}
	return w.Bytes()
}

// createStore makes the place of the log: the folder's own directory, or the one asked for.
func createStore(ctx context.Context, o Options, f folder) (location.Bucket, []string, error) {
	where := o.Storage
	var s3 minio.Config
	var err error
	if !where.S3() {
		where, err = location.Parse(filepath.Join(string(f), stateFolder))
	} else {
		s3, err = o.S3.Load()
	}
	if err != nil {
		return nil, nil, err
	}
	return where.Create(ctx, s3)
}
