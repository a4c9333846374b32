package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"atrium/coordinator/setup"
	"atrium/storage/location"
	"atrium/storage/minio"
)

// openStore opens the storage that the configuration names.
func (c config) openStore(ctx context.Context) (location.Bucket, error) {
	return c.openPlace(ctx, c.text("storage"))
}

// openPlace opens any storage, with the configuration's S3 settings if it is one.
func (c config) openPlace(ctx context.Context, name string) (location.Bucket, error) {
	where, err := location.Parse(name)
	if err != nil {
		return nil, usageError(err)
	}
	s3, err := c.storeConfig(where)
	if err != nil {
		return nil, fmt.Errorf("storage %s: %w", name, err)
	}
	return where.Open(ctx, s3)
}

// storeConfig loads the S3 settings where they are needed.
func (c config) storeConfig(where location.Location) (minio.Config, error) {
	if !where.S3() {
		return minio.Config{}, nil
	}
	return c.s3().Load()
}

// s3 is what the s3 settings say.
func (c config) s3() setup.S3 {
	return setup.S3{Endpoints: c.items("s3.endpoint"), Region: c.text("s3.region"), Pointers: c.text("s3.pointers"), CA: c.text("s3.ca"),
		Credentials: c.text("s3.credentials"), LogCredentials: c.text("s3.log_credentials"), RetireCredentials: c.text("s3.retire_credentials")}
}

// newStore is the place that --storage names for a new federation, and how it is reached.
// Only S3 is a choice: a directory has its place in the federation's.
func newStore(cmd *cobra.Command, name string) (location.Location, setup.S3, error) {
	if name == "" {
		return location.Location{}, setup.S3{}, nil
	}
	where, err := location.Parse(name)
	if err == nil && !where.S3() {
		err = fmt.Errorf("--storage %s: want s3://BUCKET/PREFIX; a directory is made without --storage", name)
	}
	if err != nil {
		return where, setup.S3{}, usageError(err)
	}
	c, err := loadConfig(cmd, nil, coordinatorSettings)
	return where, c.s3(), err
}

// openFolder opens the storage that a coordinator's folder has in its configuration file,
// whatever the environment says about another; there says whether there is such a file.
func openFolder(ctx context.Context, dir string) (b location.Bucket, there bool, err error) {
	file := filepath.Join(dir, setup.ConfigFile)
	if _, err := os.Stat(file); os.IsNotExist(err) {
		return nil, false, nil
	}
	c, err := fileConfig(file)
	if err != nil || c.text("storage") == "" {
		return nil, false, err
	}
	b, err = c.openStore(ctx)
	return b, true, err
}
