package main

import (
	"errors"
	"fmt"
	"os/user"

	"github.com/spf13/cobra"

	"atrium/client"
)

func newHospitalRecomputeCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "recompute [FOLDER]",
		Short: "Say that what this hospital sent for a sum that failed was wrong",
		Long: `Where a sum was opened and no group of it held, its question is asked again of the same
hospitals, and each encrypts what it encrypted before: two vectors of one hospital for one
question would give away their difference. Where records or loader of this hospital were
broken, that comes to nothing again. This says in words what it gives away, asks, and
writes down the word, with user and time, that ours was wrong: the daemon then computes
anew, once, for exactly that question. Mend the records first. The daemon may run.

It is refused while nothing failed. FOLDER is the folder of an atrium.yaml and stands for
--config.`,
		Example: `  atrium hospital recompute fed/hospitals/a`,
		Args:    oneFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, args, hospitalSettings)
			if err != nil {
				return err
			}
			return recompute(cmd, c, yes)
		},
	}
	addSettings(cmd, hospitalSettings, "state")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func recompute(cmd *cobra.Command, c config, yes bool) error {
	if len(c.items(federationsKey)) > 0 {
		return usageError(errors.New("several federations: give the folder of one of them"))
	}
	if err := c.require("state"); err != nil {
		return err
	}
	failed, err := client.ReadFailed(c.text("state"))
	if err != nil {
		return err
	}
	o := newOutput(cmd)
	o.lines(failed.Words())
	if !yes && !o.asked(cmd, "Type yes to compute anew:") {
		return errors.New("not said: nothing was written")
	}
	who, err := user.Current()
	if err != nil {
		return fmt.Errorf("who gives the word: %w", err)
	}
	if err := client.SayWrong(c.text("state"), failed, who.Username); err != nil {
		return err
	}
	o.line("said by %s: when round %d's question is asked again, it is computed anew", who.Username, failed.Round)
	return nil
}
