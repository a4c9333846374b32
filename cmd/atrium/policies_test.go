package main

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	s3 "github.com/minio/minio-go/v7"

	"atrium/storage/minio/miniotest"
)

// policySite is an S3 site with a credential for each role.
type policySite struct {
	s3Site
	pointers string
	keys     map[string]miniotest.Key
}

// newPolicySite applies the policies that the program prints.
func newPolicySite(t *testing.T) policySite {
	t.Helper()
	s := policySite{s3Site: newS3Site(t), keys: map[string]miniotest.Key{}}
	var err error
	if s.pointers, err = s.NewBucket(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if err := s.Client().EnableVersioning(t.Context(), s.bucket); err != nil {
		t.Fatal(err)
	}
	s.write(t, "s3.yaml", fmt.Sprintf("s3:\n  endpoint: [%s]\n  ca: minio/certs/public.crt\n  pointers: %s\n"+
		"  credentials: data\n  log_credentials: log\n  retire_credentials: retire\n", s.Endpoints[0], s.pointers))
	for _, role := range policyRoles {
		cmd := exec.Command("atrium", "coordinator", "storage", "policy", role, "--storage", "s3://"+s.bucket+"/fed", "--config", s.config)
		text, err := cmd.Output()
		if err != nil {
			t.Fatalf("policy %s: %v", role, err)
		}
		if s.keys[role], err = s.Restricted(string(text)); err != nil {
			t.Fatalf("apply policy %s: %v", role, err)
		}
		s.write(t, role, s.keys[role].Line())
	}
	return s
}

// TestPoliciesSuffice runs a federation on a versioned bucket with nothing but the rights
// of its roles, and audits it with those of an auditor.
func TestPoliciesSuffice(t *testing.T) {
	t.Parallel()
	s := newPolicySite(t)
	place, dir := "s3://"+s.bucket+"/fed", filepath.Join(t.TempDir(), "demo")
	r := startDemo(t, dir, "--rounds", "1", "--storage", place, "--config", s.config).result()
	requireVersion(t, r, 1)
	s.write(t, "audit.yaml", fmt.Sprintf("s3:\n  endpoint: [%s]\n  ca: minio/certs/public.crt\n  pointers: %s\n  credentials: audit\n", s.Endpoints[0], s.pointers))
	for _, what := range []string{"verify", "replay"} {
		args := append([]string{"audit", what, "--storage", place, "--config", filepath.Join(s.dir, "audit.yaml")}, anchored(t, filepath.Join(dir, demoFederation))...)
		has(t, s.atrium(t, false, args...), "OK: ")
	}
	// No policy forbids to write over a batch, but even one that was put back shows.
	log, err := s.As(s.keys["log"])
	if err != nil {
		t.Fatal(err)
	}
	const key = "fed/log/000000000001"
	object, err := log.GetObject(t.Context(), s.bucket, key, s3.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := io.ReadAll(object)
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{[]byte("forged"), batch} {
		if _, err := log.PutObject(t.Context(), s.bucket, key, bytes.NewReader(data), int64(len(data)), s3.PutObjectOptions{}); err != nil {
			t.Fatalf("put over a batch: %v", err)
		}
	}
	has(t, s.atrium(t, true, "audit", "verify", "--storage", place, "--config", filepath.Join(s.dir, "audit.yaml")),
		key+": object has several versions: it was overwritten or deleted")
}

// TestPoliciesRefuse tries every kind of access to every folder with each role's
// credential on the real server.
func TestPoliciesRefuse(t *testing.T) {
	t.Parallel()
	s := newPolicySite(t)
	objects := map[string]string{} // name, bucket
	for _, name := range []string{"log/000000000000", "tile/0/000", "blob/ab/abc", "models/abc", "versions/000000000001"} {
		objects[name] = s.bucket
	}
	for _, name := range []string{"checkpoint", "lease", "rounds/abc/h-a/def/000000", "envelopes/abc/h-a"} {
		objects[name] = s.pointers
	}
	put := func(c *s3.Client, bucket, key string) error {
		_, err := c.PutObject(t.Context(), bucket, key, bytes.NewReader([]byte("x")), 1, s3.PutObjectOptions{})
		return err
	}
	// What a role may do in the folders named; it may do nothing else anywhere.
	may := map[string]map[string]string{
		"log":    {"get": "log tile checkpoint lease", "put": "log tile checkpoint lease"},
		"data":   {"get": "blob models versions rounds envelopes", "put": "blob models versions rounds envelopes"},
		"retire": {"delete": "rounds envelopes"},
		"audit":  {"get": "log tile blob models versions checkpoint lease rounds"},
	}
	for _, role := range policyRoles {
		c, err := s.As(s.keys[role])
		if err != nil {
			t.Fatal(err)
		}
		for name, bucket := range objects {
			for _, prefix := range []string{"fed/", "other/", ""} {
				key := prefix + name
				if err := put(s.Client(), bucket, key); err != nil {
					t.Fatal(err)
				}
				_, get := c.StatObject(t.Context(), bucket, key, s3.StatObjectOptions{})
				version, err := s.Client().StatObject(t.Context(), bucket, key, s3.StatObjectOptions{})
				if err != nil {
					t.Fatal(err)
				}
				errs := map[string]error{"get": get, "put": put(c, bucket, key), "delete": c.RemoveObject(t.Context(), bucket, key, s3.RemoveObjectOptions{})}
				if bucket == s.bucket {
					errs["delete version"] = c.RemoveObject(t.Context(), bucket, key, s3.RemoveObjectOptions{VersionID: version.VersionID})
				}
				folder, _, _ := strings.Cut(name, "/")
				for verb, err := range errs {
					allowed := prefix == "fed/" && strings.Contains(" "+may[role][verb]+" ", " "+folder+" ")
					if denied := s3.ToErrorResponse(err).Code == "AccessDenied"; denied == allowed || allowed && err != nil {
						t.Errorf("%s: %s %s: %v, allowed: %t", role, verb, key, err, allowed)
					}
				}
			}
		}
	}
}
