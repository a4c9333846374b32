package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/setup"
)

// Names of the flags that say how long ciphertexts are kept.
const (
	retainRounds = "retain-rounds"
	retainDays   = "retain-days"
)

// addRetentionFlags adds what a charter says about old ciphertexts.
func addRetentionFlags(flags *pflag.FlagSet, r *federation.Retention) {
	flags.IntVar(&r.Rounds, retainRounds, 0, "keep the ciphertexts of a round until this `number` of rounds after it ended; 0 and no days: for ever")
	flags.IntVar(&r.Days, retainDays, 0, "keep them for this `number` of days after the day on which it ended, too")
}

func newRetireCommand() *cobra.Command {
	var dry, asJSON bool
	cmd := &cobra.Command{
		Use:   "retire [FOLDER]",
		Short: "Delete the ciphertexts that the charter lets go",
		Long: `Deletes the ciphertexts of the rounds that the log says expired, by the rule of the
charter (--retain-rounds, --retain-days), and nothing else. Models, share sums and the
sums of ciphertexts stay: "atrium audit replay" opens those, and says so.

It needs no key, and may run anywhere while the coordinator works: of the store it needs
to read it and to delete below rounds/, on S3 by the credential s3.retire_credentials. A
run that was interrupted is repeated.

FOLDER is the folder of an atrium.yaml and stands for --config.`,
		Example: `  atrium coordinator retire fed/coordinator --dry-run
  atrium coordinator retire --storage s3://atrium/fed --config retire.yaml`,
		Args: oneFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, args, coordinatorSettings)
			if err != nil {
				return err
			}
			return retire(cmd, c, dry, asJSON)
		},
	}
	addSettings(cmd, coordinatorSettings, "charter", "storage")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "delete nothing, say what would be")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func retire(cmd *cobra.Command, c config, dry, asJSON bool) error {
	if err := c.require("storage"); err != nil {
		return err
	}
	var pinned federation.Digest
	if file := c.text("charter"); file != "" {
		charter, err := setup.LoadCharter(file)
		if err != nil {
			return err
		}
		pinned = charter.Digest()
	}
	b, err := c.openStore(cmd.Context())
	if err != nil {
		return err
	}
	defer b.Close()
	o := newOutput(cmd)
	r, err := coordinator.Retire(cmd.Context(), b, pinned, dry, func(done, total int) {
		o.progress(fmt.Sprintf("retire: %d of %d segments", done, total))
	})
	o.progressEnds()
	if err != nil {
		return fmt.Errorf("storage %s: after %d segments: %w", c.text("storage"), r.Objects, err)
	}
	if asJSON {
		return o.json(r)
	}
	o.retired(r, dry)
	return nil
}

// retired says what was deleted, or would be.
func (o *output) retired(r coordinator.Retirement, dry bool) {
	verb := "deleted"
	if dry {
		verb = "would delete"
	}
	if r.Through == 0 {
		o.line("OK: no round of federation %s expired; %d ciphertext segments stay", r.Federation, r.Kept)
		return
	}
	o.line("OK: rounds up to %d of federation %s expired at entry %d: %s %d ciphertext segments, %d bytes, of %d rounds; %d segments stay",
		r.Through, r.Federation, r.Entry, verb, r.Objects, r.Bytes, r.Rounds, r.Kept)
}
