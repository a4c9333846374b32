package setup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"atrium/coordinator/planfile"
	"atrium/storage/location"
	"atrium/storage/minio"
)

func TestS3Load(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, other := write("good", "key:secret\n", 0o600), write("other", "log:secret:token", 0o400)
	loose, junk := write("loose", "key:secret\n", 0o644), write("junk", "hush\n", 0o600)
	endpoints := []string{"https://s3.example.org"}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	for name, c := range map[string]struct {
		s3   S3
		want error
	}{
		"files":          {S3{Endpoints: endpoints, Credentials: good, LogCredentials: other}, nil},
		"no endpoint":    {S3{Credentials: good}, ErrStore},
		"no credentials": {S3{Endpoints: endpoints}, ErrStore},
		"loose":          {S3{Endpoints: endpoints, Credentials: loose}, ErrMode},
		"loose second":   {S3{Endpoints: endpoints, Credentials: good, RetireCredentials: loose}, ErrMode},
		"junk":           {S3{Endpoints: endpoints, Credentials: junk}, minio.ErrConfig},
		"absent":         {S3{Endpoints: endpoints, Credentials: dir + "/absent"}, fs.ErrNotExist},
		"no authority":   {S3{Endpoints: endpoints, Credentials: good, CA: junk}, ErrFile},
	} {
		got, err := c.s3.Load()
		if !errors.Is(err, c.want) || err != nil && (strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), ":secret")) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if c.want == nil && (got.Data.AccessKey != "key" || got.Log.AccessKey != "log" || got.Retire.AccessKey != "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "from")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "environment")
	if got, err := (S3{Endpoints: endpoints}).Load(); err != nil || got.Data.AccessKey != "from" || got.Data.Secret != minio.NewSecret("environment") {
		t.Errorf("environment: %+v, %v", got, err)
	}
	if got, err := (S3{Endpoints: endpoints, Credentials: good}).Load(); err != nil || got.Data.AccessKey != "key" {
		t.Errorf("a file goes before the environment: %+v, %v", got, err)
	}
}

// TestS3ConfigurationIsRead: what init writes is what a coordinator reads, with paths that
// do not depend on where it is started.
func TestS3ConfigurationIsRead(t *testing.T) {
	where, err := location.Parse("s3://bucket/fed")
	if err != nil {
		t.Fatal(err)
	}
	s3, err := S3{Endpoints: []string{"https://a:9000", "https://b:9000"}, Region: "eu", Pointers: "second", CA: "ca.crt", Credentials: "cred", RetireCredentials: "/etc/r"}.absolute()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Federation: "heart", Listen: "127.0.0.1:7443", Storage: where, S3: s3}
	keys := []string{"listen", "addresses", "storage", "charter", "countersignatures", "plan", "log_key", "tls.cert", "tls.key", "tls.ca", "log.level", "log.format",
		"s3.endpoint", "s3.region", "s3.pointers", "s3.ca", "s3.credentials", "s3.log_credentials", "s3.retire_credentials"}
	got, err := planfile.ReadConfig("atrium.yaml", coordinatorConfig(o), keys)
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"storage": "s3://bucket/fed", "s3.region": "eu", "s3.pointers": "second", "s3.ca": here + "/ca.crt",
		"s3.credentials": here + "/cred", "s3.log_credentials": nil, "s3.retire_credentials": "/etc/r"} {
		if got[key] != want {
			t.Errorf("%s: %v, want %v", key, got[key], want)
		}
	}
	if list, ok := got["s3.endpoint"].([]any); !ok || len(list) != 2 || list[1] != "https://b:9000" {
		t.Errorf("s3.endpoint: %v", got["s3.endpoint"])
	}
}
