package minio_test

import (
	"crypto/md5"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"atrium/storage/minio"
)

func TestProbe(t *testing.T) {
	for name, start := range map[string]starter{"minio": plainMinIO, "versitygw": versity} {
		t.Run(name, func(t *testing.T) {
			s := server(t, start)
			plain, versioned := newBucket(t, s, false), newBucket(t, s, true)
			b := open(t, s.Config(plain, "f"))
			for range 2 { // the second finds what the first left
				warnings, err := b.Probe(t.Context())
				if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "s3-log.json") {
					t.Errorf("plain bucket: %q, %v", warnings, err)
				}
			}
			two := s.Config(versioned, "f")
			two.Pointers = plain
			mixed := two
			mixed.Bucket, mixed.Pointers = plain, versioned
			for what, c := range map[string]minio.Config{
				"is versioned, so that what is swapped or deleted would stay": s.Config(versioned, "f"),
				"what is swapped or deleted needs one without versions":       mixed,
				"may delete batches of the log, and over a deleted one":       two,
			} {
				if _, err := open(t, c).Probe(t.Context()); !errors.Is(err, minio.ErrGuarantee) || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), minio.Tested) {
					t.Errorf("want %v with %q: %v", minio.ErrGuarantee, what, err)
				}
			}
		})
	}
}

func TestOpenSays(t *testing.T) {
	s := server(t, plainMinIO)
	bucket := newBucket(t, s, false)
	for name, c := range map[string]struct {
		change func(*minio.Config)
		want   error
	}{
		"no bucket":     {func(c *minio.Config) { c.Bucket = "no-such-bucket" }, minio.ErrNoBucket},
		"no pointers":   {func(c *minio.Config) { c.Pointers = "no-such-bucket" }, minio.ErrNoBucket},
		"wrong secret":  {func(c *minio.Config) { c.Data.Secret = minio.NewSecret("wrong") }, minio.ErrDenied},
		"wrong key":     {func(c *minio.Config) { c.Data.AccessKey = "nobody" }, minio.ErrDenied},
		"nobody there":  {func(c *minio.Config) { c.Endpoints = []string{"http://127.0.0.1:1"} }, minio.ErrUnreachable},
		"no TLS there":  {func(c *minio.Config) { c.Endpoints[0] = strings.Replace(c.Endpoints[0], "http:", "https:", 1) }, minio.ErrUnreachable},
		"configuration": {func(c *minio.Config) { c.Endpoints = nil }, minio.ErrConfig},
	} {
		config := s.Config(bucket, "f")
		config.Endpoints = append([]string{}, config.Endpoints...)
		if c.want == minio.ErrUnreachable {
			config.Patience = time.Second
		}
		c.change(&config)
		if _, err := minio.Open(t.Context(), config); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	secure := server(t, secureMinIO)
	config := secure.Config(bucket, "f")
	config.CA = nil
	if _, err := minio.Open(t.Context(), config); !errors.Is(err, minio.ErrUnreachable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("unknown authority: %v", err)
	}
}

// lying is a small S3 without signatures that breaks one promise.
type lying struct {
	ignoresNone, ignoresMatch, refusesMatch, implementsNone, noDelete, racy, clock, full bool

	mu      sync.Mutex
	objects map[string][]byte
}

func (l *lying) start() *httptest.Server {
	l.objects = map[string][]byte{}
	return httptest.NewServer(l)
}

func etagOf(data []byte) string { return fmt.Sprintf("%q", fmt.Sprintf("%x", md5.Sum(data))) }

func (l *lying) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	l.mu.Lock()
	defer l.mu.Unlock()
	there, ok := l.objects[r.URL.Path]
	refuse := func(status int, code string) {
		w.WriteHeader(status)
		xml.NewEncoder(w).Encode(struct {
			XMLName xml.Name `xml:"Error"`
			Code    string
		}{Code: code})
	}
	none, match := r.Header.Get("If-None-Match") != "", r.Header.Get("If-Match")
	if l.racy && match != "" { // others come in between
		l.mu.Unlock()
		time.Sleep(50 * time.Millisecond)
		l.mu.Lock()
	}
	switch {
	case l.clock:
		refuse(http.StatusForbidden, "RequestTimeTooSkewed")
	case r.URL.Query().Has("versioning"):
		io.WriteString(w, "<VersioningConfiguration></VersioningConfiguration>")
	case r.Method == http.MethodPut && l.full:
		refuse(http.StatusInsufficientStorage, "XMinioStorageFull")
	case r.Method == http.MethodDelete && l.noDelete:
		refuse(http.StatusForbidden, "AccessDenied")
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPut && none && l.implementsNone:
		refuse(http.StatusNotImplemented, "NotImplemented")
	case r.Method == http.MethodPut && (none && ok && !l.ignoresNone || match != "" && (l.refusesMatch || match != etagOf(there) && !l.ignoresMatch)):
		refuse(http.StatusPreconditionFailed, "PreconditionFailed")
	case r.Method == http.MethodPut:
		l.objects[r.URL.Path] = body
		w.Header().Set("ETag", etagOf(body))
	case !ok:
		refuse(http.StatusNotFound, "NoSuchKey")
	default:
		w.Header().Set("ETag", etagOf(there))
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Length", fmt.Sprint(len(there)))
		w.Write(there)
	}
}

// TestProbeRefusesLiars: whatever the store lacks is found before anything is stored, and
// named.
func TestProbeRefusesLiars(t *testing.T) {
	for _, c := range []struct {
		name string
		lie  *lying
		want error
		says string
	}{
		{"creates twice", &lying{ignoresNone: true}, minio.ErrGuarantee, "created an object twice (PUT with If-None-Match: *)"},
		{"swaps stale", &lying{ignoresMatch: true}, minio.ErrGuarantee, "with a stale If-Match"},
		{"never swaps", &lying{refusesMatch: true}, minio.ErrGuarantee, "refused to swap an object that was as expected"},
		{"does not know conditions", &lying{implementsNone: true}, minio.ErrGuarantee, "tested servers"},
		{"two swaps at once", &lying{racy: true}, minio.ErrGuarantee, "swaps of one state succeeded"},
		{"cannot retire", &lying{noDelete: true}, minio.ErrDenied, "s3-retire.json"},
		{"honest", &lying{}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.lie.start()
			defer s.Close()
			b := open(t, minio.Config{Endpoints: []string{s.URL}, Bucket: "bucket", Data: minio.Credentials{AccessKey: "a", Secret: minio.NewSecret("b")}})
			_, err := b.Probe(t.Context())
			if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %v with %q", err, c.want, c.says)
			}
		})
	}
}

func TestClockIsWrong(t *testing.T) {
	s := (&lying{clock: true}).start()
	defer s.Close()
	_, err := minio.Open(t.Context(), minio.Config{Endpoints: []string{s.URL}, Bucket: "bucket", Data: minio.Credentials{AccessKey: "a", Secret: minio.NewSecret("b")}})
	if !errors.Is(err, minio.ErrClock) {
		t.Errorf("%v, want %v", err, minio.ErrClock)
	}
}

func TestStoreIsFull(t *testing.T) {
	s := (&lying{full: true}).start()
	defer s.Close()
	b := open(t, minio.Config{Endpoints: []string{s.URL}, Bucket: "bucket", Patience: time.Second,
		Data: minio.Credentials{AccessKey: "a", Secret: minio.NewSecret("b")}})
	if err := b.PutIfAbsent(t.Context(), "log/000000000000", nil); !errors.Is(err, minio.ErrFull) {
		t.Errorf("%v, want %v", err, minio.ErrFull)
	}
}
