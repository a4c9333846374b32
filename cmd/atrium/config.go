package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"

	"atrium/coordinator/planfile"
	"atrium/coordinator/setup"
)

// config holds the values of settings: a flag goes before the environment, that before
// the file, that before the default.
type config struct {
	values *viper.Viper
	known  []setting
}

// addSettings gives cmd --config and a flag for each of some settings.
func addSettings(cmd *cobra.Command, list []setting, only ...string) {
	cmd.Flags().String(configKey, "", "configuration `file`, or the folder of one called "+setup.ConfigFile)
	for _, s := range list {
		if !s.mute && (len(only) == 0 || slices.Contains(only, s.key)) {
			cmd.Flags().String(flagName(s.key), s.value, s.usage)
		}
	}
}

func flagName(key string) string { return strings.NewReplacer(".", "-", "_", "-").Replace(key) }

func envName(key string) string {
	return "ATRIUM_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// loadConfig collects the values of list for cmd. A folder among the arguments goes
// before ATRIUM_CONFIG and stands for --config.
func loadConfig(cmd *cobra.Command, args []string, list []setting) (config, error) {
	c, err := environmentConfig(list)
	if err != nil {
		return c, err
	}
	for _, s := range list {
		if flag := cmd.Flags().Lookup(flagName(s.key)); flag != nil {
			if err := c.values.BindPFlag(s.key, flag); err != nil {
				return c, err
			}
		}
	}
	file, err := configFile(cmd, args)
	if err != nil || file == "" {
		return c, err
	}
	return c, c.read(file)
}

// environmentConfig collects what the environment says, before defaults.
func environmentConfig(list []setting) (config, error) {
	c := config{viper.New(), list}
	if err := checkEnvironment(os.Environ()); err != nil {
		return c, err
	}
	for _, s := range list {
		c.values.SetDefault(s.key, s.value)
		if err := c.values.BindEnv(s.key, envName(s.key)); err != nil {
			return c, err
		}
	}
	return c, nil
}

// fileConfig is what one coordinator's file says. The environment goes before it in how
// an S3 store is reached, and in nothing else.
func fileConfig(file string) (config, error) {
	c := config{viper.New(), slices.Concat(coordinatorSettings, hospitalSettings)}
	if err := checkEnvironment(os.Environ()); err != nil {
		return c, err
	}
	for _, s := range s3Settings {
		c.values.SetDefault(s.key, s.value)
		if err := c.values.BindEnv(s.key, envName(s.key)); err != nil {
			return c, err
		}
	}
	return c, c.read(file)
}

// checkEnvironment refuses a variable that looks like a setting and is none.
func checkEnvironment(environ []string) error {
	known := []string{envName(configKey)}
	for _, s := range slices.Concat(coordinatorSettings, hospitalSettings) {
		known = append(known, envName(s.key))
	}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "ATRIUM_") && value != "" && !slices.Contains(known, name) {
			return fmt.Errorf("environment: %s is no setting: they are %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

func configFile(cmd *cobra.Command, args []string) (string, error) {
	flag, err := cmd.Flags().GetString(configKey)
	if err != nil {
		return "", err
	}
	file := flag
	switch {
	case flag != "" && len(args) > 0:
		return "", usageError(fmt.Errorf("both --config %s and %s: want one", flag, args[0]))
	case len(args) > 0:
		file = args[0]
	case flag == "":
		file = os.Getenv(envName(configKey))
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, setup.ConfigFile)
	}
	return file, nil
}

// read takes up the values of a configuration file.
func (c config) read(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	return c.take(file, b)
}

// take takes up the values of a configuration file that was read.
func (c config) take(file string, b []byte) error {
	var keys []string
	for _, s := range c.known {
		keys = append(keys, s.key)
	}
	values, err := planfile.ReadConfig(file, b, keys)
	if err != nil {
		return err
	}
	nested := map[string]any{}
	var errs []error
	for _, s := range c.known {
		v, there := values[s.key]
		if !there {
			continue
		}
		text, err := s.text(v)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", file, s.key, err))
			continue
		}
		if s.path {
			text = s.below(filepath.Dir(file), text)
		}
		nest(nested, strings.Split(s.key, "."), text)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	c.values.SetConfigFile(file)
	return c.values.MergeConfigMap(nested)
}

// guard is for daemons and for commands that sign: no core image is made of this process,
// and a configuration is refused of which others can change a file, itself or any that it
// names but records.
func (c config) guard() error {
	if err := noDumps(); err != nil {
		return err
	}
	files := []string{c.values.ConfigFileUsed()}
	for _, s := range c.known {
		if s.path && !s.list && !strings.HasPrefix(s.key, "data.t") && !strings.Contains(c.text(s.key), "://") {
			files = append(files, c.text(s.key))
		}
	}
	for _, file := range files {
		if file == "" {
			continue
		}
		if err := setup.Trust(file); err != nil {
			return err
		}
	}
	return nil
}

// below makes the relative paths of a value start at a folder.
func (s setting) below(folder, text string) string {
	paths := []string{text}
	if s.list {
		paths = strings.Split(text, ",")
	}
	for i, p := range paths {
		if p != "" && !filepath.IsAbs(p) && !strings.Contains(p, "://") {
			paths[i] = filepath.Join(folder, p)
		}
	}
	return strings.Join(paths, ",")
}

// text is a value of a file as a flag would give it.
func (s setting) text(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case int:
		return strconv.Itoa(v), nil
	case []any:
		if !s.list {
			return "", errors.New("a list: want one value")
		}
		var items []string
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				return "", fmt.Errorf("%v: want text", item)
			}
			items = append(items, text)
		}
		return strings.Join(items, ","), nil
	}
	return "", fmt.Errorf("%v: want text", v)
}

func nest(m map[string]any, path []string, v any) {
	for _, name := range path[:len(path)-1] {
		next, ok := m[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			m[name] = next
		}
		m = next
	}
	m[path[len(path)-1]] = v
}

func (c config) text(key string) string { return c.values.GetString(key) }

// number reads a whole number.
func (c config) number(key string, least, greatest int) (int, error) {
	n, err := strconv.Atoi(c.text(key))
	if err != nil || n < least || n > greatest {
		return 0, fmt.Errorf("%s %q: want a whole number from %d to %d", key, c.text(key), least, greatest)
	}
	return n, nil
}

// items splits a list at its commas.
func (c config) items(key string) []string {
	var out []string
	for item := range strings.SplitSeq(c.text(key), ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// require refuses keys that nothing gave.
func (c config) require(keys ...string) error {
	var missing []string
	for _, key := range keys {
		if c.text(key) == "" {
			missing = append(missing, key)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	first := missing[0]
	return usageError(fmt.Errorf("%s missing: give --config FILE or FOLDER with it, or --%s, or %s",
		strings.Join(missing, ", "), flagName(first), envName(first)))
}

// logger is the one that log.level and log.format ask for.
func (c config) logger(cmd *cobra.Command) (*slog.Logger, error) {
	var level slog.Level
	name, format := c.text("log.level"), c.text("log.format")
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, name) {
		return nil, fmt.Errorf("log.level %q: want debug, info, warn or error", name)
	}
	if format != "text" && format != "json" {
		return nil, fmt.Errorf("log.format %q: want text or json", format)
	}
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return nil, err
	}
	return newLogger(cmd, level, format == "json"), nil
}
