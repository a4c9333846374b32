package main

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"atrium/storage/minio/miniotest"
)

// s3Site is a MinIO over TLS with one bucket, and a configuration file that reaches it.
type s3Site struct {
	*miniotest.Server
	dir, bucket, config string
}

func newS3Site(t *testing.T) s3Site {
	t.Helper()
	s := s3Site{dir: t.TempDir()}
	var err error
	s.Server, err = miniotest.StartMinIO(filepath.Join(s.dir, "minio"), true)
	miniotest.Check(t, err)
	t.Cleanup(s.Stop)
	if s.bucket, err = s.NewBucket(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	s.config = filepath.Join(s.dir, "s3.yaml")
	s.write(t, "credentials", s.AccessKey+":"+s.SecretKey+"\n")
	s.write(t, "s3.yaml", "s3:\n  endpoint: ["+s.Endpoints[0]+"]\n  ca: minio/certs/public.crt\n  credentials: credentials\n")
	return s
}

func (s s3Site) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// atrium runs a command that must succeed, or fail where fails is set; it returns all its
// output.
func (s s3Site) atrium(t *testing.T, fails bool, args ...string) string {
	t.Helper()
	out, err := exec.Command("atrium", args...).CombinedOutput()
	if (err != nil) != fails {
		t.Errorf("atrium %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func has(t *testing.T, out, text string) {
	t.Helper()
	if !strings.Contains(out, text) {
		t.Errorf("want %q in:\n%s", text, out)
	}
}

// TestDemoOnS3: the state of a coordinator in an S3 bucket is all that it keeps, and audit
// reads it there. The secret is in no file but its own.
func TestDemoOnS3(t *testing.T) {
	t.Parallel()
	s := newS3Site(t)
	place, dir := "s3://"+s.bucket+"/heart", filepath.Join(t.TempDir(), "demo")
	r := startDemo(t, dir, "--rounds", "1", "--storage", place, "--config", s.config).result()
	requireVersion(t, r, 1)
	if r.Store != place || !strings.HasPrefix(r.Snapshot, place+"/models/") {
		t.Errorf("store %s, snapshot %s", r.Store, r.Snapshot)
	}
	anchor := anchored(t, filepath.Join(dir, demoFederation))
	for _, where := range [][]string{{"--storage", place, "--config", s.config}, {"--state", dir}, {"--config", filepath.Join(dir, "federation/coordinator/atrium.yaml")}} {
		has(t, s.atrium(t, false, slices.Concat([]string{"audit", "verify"}, where, anchor)...), "OK: 3 rounds, 2 versions, log size ")
	}
	has(t, s.atrium(t, false, append([]string{"audit", "replay", "--storage", place, "--config", s.config}, anchor...)...), "OK: 2 versions and 1 evaluations re-derived bit for bit")
	has(t, s.atrium(t, false, "audit", "show", "--state", dir), "the plan ended")
	has(t, s.atrium(t, false, "coordinator", "status", filepath.Join(dir, "federation/coordinator")), "1 of 1 rounds")
	s.keepsSecret(t, dir)

	again := s.atrium(t, true, "demo", "--rounds", "1", "--storage", place, "--config", s.config, "--keep", filepath.Join(t.TempDir(), "other"))
	has(t, again, "storage is not empty")
	has(t, s.atrium(t, true, "demo", "--keep", dir, "--storage", place+"2", "--config", s.config), "choose another --keep")
	has(t, s.atrium(t, true, "audit", "verify", "--storage", "s3://"+s.bucket+"/nothing", "--config", s.config), "no log")
	has(t, s.atrium(t, true, "audit", "verify", "--storage", "s3://no-such-bucket/x", "--config", s.config), "S3 bucket does not exist")
	s.write(t, "credentials", s.AccessKey+":wrong")
	has(t, s.atrium(t, true, "audit", "verify", "--state", dir), "denies it to these credentials")
}

// keepsSecret looks for the secret in every file below dir.
func (s s3Site) keepsSecret(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if files++; bytes.Contains(b, []byte(s.SecretKey)) {
			t.Errorf("%s holds the secret key", path)
		}
		return err
	})
	if err != nil || files < 10 {
		t.Errorf("%d files below %s, %v", files, dir, err)
	}
}

// TestServeOnS3: init begins the log in a bucket; serve waits for a store that does not
// answer yet, and refuses a bucket that cannot keep the log.
func TestServeOnS3(t *testing.T) {
	t.Parallel()
	s := newS3Site(t)
	dir, place := filepath.Join(t.TempDir(), "fed"), "s3://"+s.bucket+"/fed"
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	has(t, s.atrium(t, false, "coordinator", "init", "--hospitals", "a,b,c,d", "--dir", dir, "--listen", address, "--storage", place, "--config", s.config),
		"warning: the S3 credentials of the log may delete batches")
	if _, err := os.Stat(filepath.Join(dir, "coordinator/state")); !os.IsNotExist(err) {
		t.Errorf("a directory for the state beside the bucket: %v", err)
	}
	p := started(t, "coordinator", "serve", filepath.Join(dir, "coordinator"))
	p.await(t, "msg=leading")
	if status := p.end(t, os.Interrupt); status != 0 {
		t.Errorf("exit status %d", status)
	}
	has(t, s.atrium(t, false, "coordinator", "status", filepath.Join(dir, "coordinator")), "0 of 40 rounds")

	s.Nodes[0].Kill()
	p = started(t, "coordinator", "serve", filepath.Join(dir, "coordinator"))
	p.await(t, "storage is waited for")
	if err := s.Nodes[0].Start(); err != nil {
		t.Fatal(err)
	}
	p.await(t, "msg=leading")
	if status := p.end(t, os.Interrupt); status != 0 {
		t.Errorf("exit status %d", status)
	}

	if err := s.MakeBucket(t.Context(), "with-versions", true); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "fed")
	out := s.atrium(t, true, "coordinator", "init", "--hospitals", "a,b,c,d", "--dir", other, "--storage", "s3://with-versions/fed", "--config", s.config)
	has(t, out, "S3 store cannot hold a federation: bucket with-versions is versioned")
	has(t, out, "tested servers: MinIO")
	has(t, s.atrium(t, true, "coordinator", "serve", filepath.Join(dir, "coordinator"), "--storage", "s3://with-versions/fed"), "is versioned")
	if _, err := os.Stat(other); !os.IsNotExist(err) {
		t.Errorf("init left %s: %v", other, err)
	}
}
