package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"atrium/coordinator/setup"
)

// loaded parses a command line against settings and returns what they are then.
func loaded(t *testing.T, list []setting, line ...string) (config, error) {
	t.Helper()
	var c config
	var err error
	cmd := &cobra.Command{Use: "x", RunE: func(cmd *cobra.Command, args []string) error {
		c, err = loadConfig(cmd, args, list)
		return nil
	}}
	addSettings(cmd, list)
	cmd.SetArgs(append([]string{}, line...))
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	return c, err
}

func write(t *testing.T, text string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), setup.ConfigFile)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Every setting obeys: flag before environment before file before default.
func TestPrecedence(t *testing.T) {
	for _, list := range [][]setting{coordinatorSettings, hospitalSettings} {
		for _, s := range list {
			t.Run(s.key, func(t *testing.T) {
				section, name, nested := strings.Cut(s.key, ".")
				text := section + ": /from/file\n"
				if nested {
					text = section + ":\n  " + name + ": /from/file\n"
				}
				file := write(t, text)
				check := func(want string, line ...string) {
					t.Helper()
					c, err := loaded(t, list, line...)
					if err != nil || c.text(s.key) != want {
						t.Errorf("%s with %v is %q, %v; want %q", s.key, line, c.text(s.key), err, want)
					}
				}
				check(s.value)
				check("/from/file", "--config", file)
				t.Setenv(envName(s.key), "/from/env")
				check("/from/env")
				check("/from/env", "--config", file)
				if s.mute {
					return
				}
				check("/from/flag", "--config", file, "--"+flagName(s.key), "/from/flag")
			})
		}
	}
}

func TestPathsStartAtTheFile(t *testing.T) {
	file := write(t, "charter: c.json\nstorage: ../state\nlog_key: /abs/log.key\nlisten: here:1\n")
	dir := filepath.Dir(file)
	for _, line := range [][]string{{"--config", file}, {"--config", dir}, {file}, {dir}} {
		c, err := loaded(t, coordinatorSettings, line...)
		if err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]string{"charter": filepath.Join(dir, "c.json"), "log_key": "/abs/log.key",
			"storage": filepath.Join(filepath.Dir(dir), "state"), "listen": "here:1"} {
			if got := c.text(key); got != want {
				t.Errorf("%v: %s is %q, want %q", line, key, got, want)
			}
		}
	}
	t.Setenv("ATRIUM_CONFIG", file)
	t.Setenv("ATRIUM_CHARTER", "mine.json")
	c, err := loaded(t, coordinatorSettings)
	if err != nil || c.text("charter") != "mine.json" || c.text("log_key") != "/abs/log.key" {
		t.Errorf("from the environment: charter %q, log_key %q, %v", c.text("charter"), c.text("log_key"), err)
	}
}

func TestLists(t *testing.T) {
	want := []string{"a:1", "b:2"}
	for _, text := range []string{"coordinator: [\"a:1\", \"b:2\"]\n", "coordinator: \"a:1, b:2\"\n"} {
		c, err := loaded(t, hospitalSettings, write(t, text))
		if err != nil || !slices.Equal(c.items("coordinator"), want) {
			t.Errorf("%q: %v, %v", text, c.items("coordinator"), err)
		}
	}
	t.Setenv("ATRIUM_COORDINATOR", "a:1,b:2")
	c, err := loaded(t, hospitalSettings)
	if err != nil || !slices.Equal(c.items("coordinator"), want) {
		t.Errorf("from the environment: %v, %v", c.items("coordinator"), err)
	}
}

func TestLoggerHasTheLevelAskedFor(t *testing.T) {
	for _, level := range []string{"debug", "info", "warn", "error"} {
		c, err := loaded(t, coordinatorSettings, "--log-level", level)
		if err != nil {
			t.Fatal(err)
		}
		logger, err := c.logger(&cobra.Command{})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			var want slog.Level
			if err := want.UnmarshalText([]byte(level)); err != nil {
				t.Fatal(err)
			}
			if got := logger.Enabled(t.Context(), l); got != (l >= want) {
				t.Errorf("--log-level %s: %v is written: %t", level, l, got)
			}
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"listn: x\n":           `:1:1: listn: unknown key: did you mean "listen"?`,
		"listen: [a, b]\n":     "listen: a list: want one value",
		"listen: true\n":       "listen: true: want text",
		"tls: file\n":          "tls: ",
		"tls:\n  crt: a\n":     `:2:3: tls.crt: unknown key: did you mean "tls.cert"?`,
		"listen: a\nlisten: b": "listen",
	} {
		file := write(t, text)
		_, err := loaded(t, coordinatorSettings, file)
		if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}
