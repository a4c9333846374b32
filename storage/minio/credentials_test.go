package minio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	const secret = "wJalrXUtnFEMI-K7MDENG"
	c, err := ParseCredentials("AKIA:" + secret + ":" + secret + "token\n")
	if err != nil {
		t.Fatal(err)
	}
	if c.Secret.text != secret || c.Token.text != secret+"token" {
		t.Fatal("the fields are not those of the line")
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "credentials", c, "secret", c.Secret)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "credentials", c, "secret", c.Secret)
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %s %q %s %s", c, c, c, c.Secret, c.Secret, encoded, &log)
	if strings.Contains(all, secret) {
		t.Errorf("printed: %s", all)
	}
	if !strings.Contains(all, "sha256:") {
		t.Errorf("no fingerprint: %s", all)
	}
}

func TestParseCredentialsRefuses(t *testing.T) {
	for _, text := range []string{"", "key", "key:", ":secret", "key:secret:", "a:b:c:d", "key:sec ret", "key:secret\nmore:lines", "key:sécret", strings.Repeat("a", maxCredentials) + ":b"} {
		_, err := ParseCredentials(text)
		if !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error shows it: %v", text, err)
		}
	}
}

func FuzzParseCredentials(f *testing.F) {
	for _, seed := range []string{"AKIA:secret", "AKIA:secret\n", "AKIA:secret:token\r\n", ":", "a:b:", "a b:c", "\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCredentials(text)
		if err != nil {
			return
		}
		line := c.AccessKey + ":" + c.Secret.text
		if !c.Token.empty() {
			line += ":" + c.Token.text
		}
		if line != strings.TrimRight(text, "\r\n") {
			t.Errorf("%q was read as %q", text, line)
		}
	})
}

func TestValidate(t *testing.T) {
	good := Config{Endpoints: []string{"https://s3.example.org"}, Bucket: "atrium", Prefix: "a/federation",
		Data: Credentials{AccessKey: "a", Secret: NewSecret("s")}}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"no endpoint":        func(c *Config) { c.Endpoints = nil },
		"http":               func(c *Config) { c.Endpoints = []string{"http://s3.example.org"} },
		"mix":                func(c *Config) { c.Endpoints = append(c.Endpoints, "http://127.0.0.1:9000") },
		"path":               func(c *Config) { c.Endpoints = []string{"https://s3.example.org/bucket"} },
		"password":           func(c *Config) { c.Endpoints = []string{"https://me:hunter2@s3.example.org"} },
		"no scheme":          func(c *Config) { c.Endpoints = []string{"s3.example.org:9000"} },
		"no bucket":          func(c *Config) { c.Bucket = "" },
		"bucket":             func(c *Config) { c.Bucket = "Upper" },
		"pointers":           func(c *Config) { c.Pointers = "a" },
		"prefix":             func(c *Config) { c.Prefix = "a/" },
		"prefix up":          func(c *Config) { c.Prefix = "../a" },
		"no credentials":     func(c *Config) { c.Data = Credentials{} },
		"half a credential":  func(c *Config) { c.Data.Secret = Secret{} },
		"negative patience":  func(c *Config) { c.Patience = -1 },
		"endpoint with junk": func(c *Config) { c.Endpoints = []string{"https://a?x=1"} },
	} {
		c := good
		c.Endpoints = append([]string{}, good.Endpoints...)
		change(&c)
		err := c.Validate()
		if !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows a password: %v", name, err)
		}
	}
	for _, loopback := range []string{"http://127.0.0.1:9000", "http://localhost:9000", "http://[::1]:9000"} {
		c := good
		c.Endpoints = []string{loopback}
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", loopback, err)
		}
	}
}
