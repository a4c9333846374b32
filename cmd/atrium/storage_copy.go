package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"atrium/client/audit"
	"atrium/coordinator"
	"atrium/coordinator/setup"
	"atrium/storage/local"
	"atrium/storage/location"
	"atrium/storage/minio"
	"atrium/storage/transfer"
)

func newCopyCommand() *cobra.Command {
	var live, asJSON bool
	cmd := &cobra.Command{
		Use:   "copy FROM TO",
		Short: "Copy a federation from one storage to another, and verify it there",
		Long: `Copies the log and all that it names from a directory or s3://BUCKET/PREFIX to another,
compares every object byte for byte, and verifies that the copy is consistent with itself.
Repeated, it goes on where it broke off, or adds what came since. A target that holds
another log, or more of this one, is refused.

To move a federation, stop its coordinators, copy, and set storage in their atrium.yaml
to TO. A source that is led is refused, because two storages that are both served fork
the log; with --live the copy is a backup of the moment when the command began.

How S3 is reached stands in the keys s3.* of --config, or in ATRIUM_S3_*.`,
		Example: `  atrium coordinator storage copy fed/coordinator/state s3://atrium/fed --config s3.yaml
  atrium coordinator storage copy s3://atrium/fed /backup/fed --config s3.yaml --live`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError(errors.New("want FROM and TO"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, nil, coordinatorSettings)
			if err != nil {
				return err
			}
			o := newOutput(cmd)
			r, err := copyStorage(cmd.Context(), o, c, args[0], args[1], live)
			o.progressEnds()
			if err != nil {
				return err
			}
			if asJSON {
				return o.json(r)
			}
			o.copied(r)
			return nil
		},
	}
	addSettings(cmd, s3Settings)
	cmd.Flags().BoolVar(&live, "live", false, "copy although a coordinator leads the source: a backup, not to be served")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// copyResult is what `coordinator storage copy --json` prints.
type copyResult struct {
	From string `json:"from"`
	To   string `json:"to"`
	transfer.Result
	Root string `json:"root"` // of the log that was verified in the copy
}

// copyStorage copies and audits, under the charter of c if it names one. No checkpoint that
// a hospital kept is at hand: a copy is as good as its source.
func copyStorage(ctx context.Context, o *output, c config, from, to string, live bool) (copyResult, error) {
	fail := func(err error) (copyResult, error) { return copyResult{}, err }
	source, err := c.openPlace(ctx, from)
	if err != nil {
		return fail(err)
	}
	defer source.Close()
	if !live {
		if err := requireIdle(ctx, source, from, "stop it first, or copy a backup with --live"); err != nil {
			return fail(err)
		}
	}
	target, err := c.openTarget(ctx, to)
	if err != nil {
		return fail(err)
	}
	defer target.Close()
	if err := requireIdle(ctx, target, to, "stop it first"); err != nil {
		return fail(err)
	}
	r, err := transfer.Copy(ctx, source, target, minio.IsProbe, func(p transfer.Progress) {
		o.progress(fmt.Sprintf("copy: %d of %d objects, %s of %s, %s", p.Objects, p.OfObjects, bytesText(p.Bytes), bytesText(p.OfBytes), p.Folder))
	})
	if err != nil {
		return fail(fmt.Errorf("copy %s to %s: %w", from, to, err))
	}
	options := audit.Options{Progress: watch(o, "verify the copy")}
	if file := c.text("charter"); file != "" {
		charter, err := setup.LoadCharter(file)
		if err != nil {
			return fail(err)
		}
		options.Charter = charter.Digest()
	}
	report, err := audit.Verify(ctx, target, options)
	if err != nil {
		return fail(fmt.Errorf("the copy in %s: %w", to, err))
	}
	return copyResult{From: from, To: to, Result: r, Root: report.Root.String()}, nil
}

// openTarget opens a storage to write to, or makes it.
func (c config) openTarget(ctx context.Context, name string) (location.Bucket, error) {
	b, err := c.openPlace(ctx, name)
	if errors.Is(err, local.ErrNoBucket) {
		return local.Create(name)
	}
	if err != nil {
		return nil, err
	}
	if _, err := location.Probe(ctx, b); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// requireIdle refuses a storage whose log somebody leads.
func requireIdle(ctx context.Context, b location.Bucket, name, advice string) error {
	lease, led, err := coordinator.Led(ctx, b)
	if err == nil && led {
		err = fmt.Errorf("a coordinator at %s leads it: %s", strings.Join(lease.Addresses, ", "), advice)
	}
	if err != nil {
		return fmt.Errorf("storage %s: %w", name, err)
	}
	return nil
}

// copied prints what a copy did.
func (o *output) copied(r copyResult) {
	gone := ""
	if r.Gone > 0 {
		gone = fmt.Sprintf("%d, which were deleted at the source meanwhile", r.Gone)
	}
	o.pairs([][2]string{
		{"from", r.From}, {"to", r.To},
		{"objects", fmt.Sprintf("%d, %s; %d were written, the others were there", r.Objects, bytesText(r.Bytes), r.Written)},
		{"gone", gone},
		{"log", fmt.Sprintf("%d batches, size %d, root %s", r.Batches, r.LogSize, r.Root)},
	})
	o.line("OK: every object is the same, and the copy is consistent with itself")
}
