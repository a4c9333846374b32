package minio_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"atrium/storage/minio"
	"atrium/storage/minio/miniotest"
)

// proxy stands before a server, notes what is asked and answered, and cuts answers.
type proxy struct {
	http *httptest.Server

	mu    sync.Mutex
	seen  []exchange
	cut   func(exchange) bool // whether the connection breaks instead of the answer
	stall func(exchange) bool // whether the answer never comes
	spoil bool                // see damage
}

type exchange struct {
	method, path string
	query        url.Values
	size         int64 // of the request's body
	status       int
}

func newProxy(t *testing.T, s *miniotest.Server) *proxy {
	t.Helper()
	target, err := url.Parse(s.Endpoints[0])
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	reverse := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // the signature covers it
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.spoil && r.In.Method == http.MethodPut {
				r.Out.Body = io.NopCloser(io.MultiReader(strings.NewReader("!"), &skipping{r.In.Body, 1}))
			}
		},
		ModifyResponse: func(r *http.Response) error {
			e := exchange{r.Request.Method, r.Request.URL.Path, r.Request.URL.Query(), r.Request.ContentLength, r.StatusCode}
			p.mu.Lock()
			p.seen = append(p.seen, e)
			cut, stall := p.cut != nil && p.cut(e), p.stall != nil && p.stall(e)
			p.mu.Unlock()
			if stall {
				<-r.Request.Context().Done()
			}
			if cut || stall {
				panic(http.ErrAbortHandler)
			}
			return nil
		},
	}
	p.http = httptest.NewServer(reverse)
	t.Cleanup(p.http.Close)
	return p
}

// skipping leaves out the first bytes of a reader.
type skipping struct {
	io.Reader
	bytes int64
}

func (s *skipping) Read(p []byte) (int, error) {
	if s.bytes > 0 {
		if _, err := io.CopyN(io.Discard, s.Reader, s.bytes); err != nil {
			return 0, err
		}
		s.bytes = 0
	}
	return s.Reader.Read(p)
}

// config is that of the server, through the proxy.
func (p *proxy) config(c minio.Config) minio.Config {
	c.Endpoints = []string{p.http.URL}
	return c
}

// set chooses the exchanges to break, and forgets those that were.
func (p *proxy) set(cut, stall func(exchange) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.stall, p.seen = cut, stall, nil
}

// damage says whether bodies of requests are damaged on the way.
func (p *proxy) damage(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spoil = yes
}

// statuses are the answers to one method.
func (p *proxy) statuses(method string) (all []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.seen {
		if e.method == method {
			all = append(all, e.status)
		}
	}
	return all
}

// first says yes to the first n exchanges of a method.
func first(n int, method string) func(exchange) bool {
	return func(e exchange) bool {
		if e.method == method {
			n--
		}
		return e.method == method && n >= 0
	}
}
