package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/viper"
	"golang.org/x/sync/errgroup"

	"atrium/coordinator/setup"
)

// maxFederations is how many one process serves or takes part in.
const maxFederations = 64

// folderConfig is the configuration of one federation of several.
type folderConfig struct {
	folder string // as errors and logs name it; empty: the only one
	config
}

// federations returns the configuration of each federation that c lists, or c itself. Of
// a listed one everything is its own, from its file, but for the keys of shared, which are
// c's, and log and s3 where its file is silent. What belongs to one federation has no
// place beside a list of them.
func (c config) federations(shared ...string) ([]folderConfig, error) {
	folders := c.items(federationsKey)
	if len(folders) == 0 {
		return []folderConfig{{config: c}}, nil
	}
	if len(folders) > maxFederations {
		return nil, fmt.Errorf("%s: %d folders: at most %d", federationsKey, len(folders), maxFederations)
	}
	for _, s := range c.known {
		if s.key != federationsKey && !slices.Contains(shared, s.key) && !inherited(s.key) && c.text(s.key) != s.value {
			return nil, usageError(fmt.Errorf("%s belongs to one federation: it has no place beside %s, but in the %s of its folder", s.key, federationsKey, setup.ConfigFile))
		}
	}
	var all []folderConfig
	for i, folder := range folders {
		if slices.Contains(folders[:i], folder) {
			return nil, fmt.Errorf("%s: %s is named twice", federationsKey, folder)
		}
		one, err := c.folder(folder, shared)
		if err != nil {
			return nil, err
		}
		all = append(all, folderConfig{folder, one})
	}
	return all, nil
}

func inherited(key string) bool {
	return strings.HasPrefix(key, "log.") || strings.HasPrefix(key, "s3.")
}

// folder reads the configuration of one listed federation.
func (c config) folder(folder string, shared []string) (config, error) {
	one := config{viper.New(), c.known}
	for _, s := range c.known {
		one.values.SetDefault(s.key, s.value)
	}
	file := folder
	if info, err := os.Stat(folder); err == nil && info.IsDir() {
		file = filepath.Join(folder, setup.ConfigFile)
	}
	if err := one.read(file); err != nil {
		return one, err
	}
	if one.text(federationsKey) != "" {
		return one, fmt.Errorf("%s: %s in a file that is listed itself", file, federationsKey)
	}
	for _, s := range c.known {
		if slices.Contains(shared, s.key) || inherited(s.key) && one.text(s.key) == s.value {
			one.values.Set(s.key, c.text(s.key))
		}
	}
	return one, nil
}

// each runs a function for every federation until ctx ends. What ends one of several does
// not end the others: it is said, and the error when all have ended.
func each(ctx context.Context, all []folderConfig, ended func(folder string, err error), run func(context.Context, folderConfig) error) error {
	if len(all) == 1 && all[0].folder == "" {
		return run(ctx, all[0])
	}
	errs := make([]error, len(all))
	var g errgroup.Group
	for i, one := range all {
		g.Go(func() error {
			if err := run(ctx, one); err != nil && ctx.Err() == nil {
				errs[i] = fmt.Errorf("%s: %w", one.folder, err)
				ended(one.folder, err)
			}
			return nil
		})
	}
	return errors.Join(append(errs, g.Wait())...)
}
