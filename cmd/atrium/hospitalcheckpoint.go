package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"atrium/client"
	"atrium/coordinator/setup"
	"atrium/storage/roundlog"
)

func newHospitalCheckpointCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "checkpoint [FOLDER]",
		Short: "Hand over the checkpoint that a hospital keeps, for an auditor",
		Long: `Prints the largest checkpoint of the log that the daemon verified, as the log's key signed
it and this hospital cosigned it: a few lines of text without a secret. It says how much
of the log must be there, and an audit that is given it finds out whether the end was cut
off or something was changed. Give it to the auditor yourself, not by way of the research
centre, and anew for each audit. The daemon may run.

FOLDER is the folder of an atrium.yaml and stands for --config.`,
		Example: `  atrium hospital checkpoint fed/hospitals/a --out a.checkpoint
  atrium audit verify --state fed --charter-digest 3f7a... --checkpoint a.checkpoint`,
		Args: oneFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, args, hospitalSettings)
			if err != nil {
				return err
			}
			return handOver(newOutput(cmd), c, out)
		},
	}
	addSettings(cmd, hospitalSettings, "state")
	cmd.Flags().StringVar(&out, "out", "", "`file` to write (default standard output)")
	return cmd
}

func handOver(o *output, c config, out string) error {
	if len(c.items(federationsKey)) > 0 {
		return usageError(errors.New("several federations: give the folder of one of them"))
	}
	if err := c.require("state"); err != nil {
		return err
	}
	k, err := client.ReadCheckpoint(c.text("state"))
	if err != nil {
		return err
	}
	if out == "" {
		o.raw(k.Encode())
		return nil
	}
	if err := setup.WriteNew(out, k.Encode()); err != nil {
		return err
	}
	o.line("wrote %s: %s; give it to the auditor", out, keptText(k))
	return nil
}

// keptText says how far a kept checkpoint goes and when it was cosigned.
func keptText(k roundlog.Kept) string {
	text := fmt.Sprintf("%d entries", k.Size)
	for _, c := range k.Cosignatures {
		text += ", cosigned " + c.Time.Format(time.RFC3339)
	}
	return text
}

// keptIn is a shell's pattern of all checkpoints that hospitals on one machine keep.
func keptIn(hospitals string) string {
	return filepath.Join(hospitals, "*", "state", client.CheckpointFile)
}
