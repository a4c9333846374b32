package location

import (
	"errors"
	"strings"
	"testing"

	"atrium/storage/local"
	"atrium/storage/minio"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Location{
		"state":                      {dir: "state"},
		"./fed/coordinator/state/":   {dir: "fed/coordinator/state"},
		"/srv/atrium":                {dir: "/srv/atrium"},
		"s3":                         {dir: "s3"},
		"s3://atrium-log":            {bucket: "atrium-log"},
		"s3://atrium-log/":           {bucket: "atrium-log"},
		"s3://atrium-log/cardio":     {bucket: "atrium-log", prefix: "cardio"},
		"s3://atrium-log/a/b.c_d/":   {bucket: "atrium-log", prefix: "a/b.c_d"},
		"s3:/not-a-bucket/but-a-dir": {dir: "s3:/not-a-bucket/but-a-dir"},
	} {
		got, err := Parse(text)
		if got != want || err != nil {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if again, err := Parse(got.String()); again != got || err != nil {
			t.Errorf("%q: %q is read as %+v, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "s3://", "s3:///prefix", "s3://Upper/x", "s3://ab", "s3://bucket//x", "s3://bucket/../x", "s3://bucket/A",
		"s3://user:secret@bucket/x", "https://s3.example.org/bucket", "minio://bucket/x", "s3://bucket.name/x"} {
		if _, err := Parse(text); !errors.Is(err, ErrLocation) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestDirectory(t *testing.T) {
	l, err := Parse(t.TempDir() + "/state")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Open(t.Context(), minio.Config{}); !errors.Is(err, local.ErrNoBucket) {
		t.Errorf("open absent: %v", err)
	}
	b, _, err := l.Create(t.Context(), minio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if warnings, err := Probe(t.Context(), b); err != nil || len(warnings) > 0 {
		t.Errorf("probe: %v, %v", warnings, err)
	}
	if err := errors.Join(CheckVersions(t.Context(), b), b.PutIfAbsent(t.Context(), "a", nil), b.Close()); err != nil {
		t.Error(err)
	}
	if _, _, err := l.Create(t.Context(), minio.Config{}); !errors.Is(err, local.ErrNotEmpty) {
		t.Errorf("create again: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"state", "./a//b/", "/", "s3://bucket/prefix", "s3://bucket", "s3://bucket/", "s3://a@bucket/x", "x://y", "s3:/x", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(l.String()); err != nil || again != l {
			t.Errorf("%q is %+v, which prints as %q, which is %+v, %v", text, l, l, again, err)
		}
	})
}
