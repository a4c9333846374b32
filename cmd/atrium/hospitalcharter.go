package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"atrium/client"
	"atrium/coordinator/federation"
	"atrium/coordinator/setup"
)

func newHospitalCharterCommand() *cobra.Command {
	return group("charter", "Approve the next charter of a federation", newApproveCommand())
}

func newApproveCommand() *cobra.Command {
	var yes bool
	var out string
	cmd := &cobra.Command{
		Use:   "approve TERMS [FOLDER]",
		Short: "Read what the next charter changes, and sign it",
		Long: `Says in words what the terms of the next charter change, asks, and then signs them for
this hospital. A custodian also closes the epoch that ends: it says which sums it helped
to open and answers nothing more in it, whether the next charter comes or not. The
daemon must be ended; it may be started again afterwards and goes over by itself when
the charter is in the log, but only to exactly these terms.

The consent is written to a file for the research centre. Nothing is sent.

FOLDER is the folder of an atrium.yaml and stands for --config.`,
		Example: `  atrium hospital charter approve charter-2.terms.json fed/hospitals/a`,
		Args:    termsAndFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, args[1:], hospitalSettings)
			if err != nil {
				return err
			}
			return approve(cmd, c, args[0], out, yes)
		},
	}
	addSettings(cmd, hospitalSettings, "name", "charter", "identity_key", "state")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().StringVar(&out, "out", "", "`file` to write (default consent-NAME-EPOCH.json)")
	return cmd
}

func termsAndFolder(cmd *cobra.Command, args []string) error {
	return usageError(cobra.RangeArgs(1, 2)(cmd, args))
}

func approve(cmd *cobra.Command, c config, file, out string, yes bool) (err error) {
	if err := c.require("name", "charter", "identity_key", "state"); err != nil {
		return err
	}
	if err := c.guard(); err != nil {
		return err
	}
	terms, err := setup.LoadTerms(file)
	if err != nil {
		return err
	}
	configured, err := setup.LoadCharter(c.text("charter"))
	if err != nil {
		return err
	}
	identity, err := setup.LoadIdentity(c.text("identity_key"))
	if err != nil {
		return err
	}
	ballot, err := client.OpenBallot(c.text("state"), configured, identity, terms)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ballot.Close()) }()
	o := newOutput(cmd)
	o.lines(ballot.Words())
	if !yes && !o.asked(cmd, "Type yes to approve:") {
		return errors.New("not approved: nothing was signed")
	}
	consent, err := ballot.Approve()
	if err != nil {
		return err
	}
	if out == "" {
		out = fmt.Sprintf("consent-%s-%d.json", c.text("name"), terms.Epoch)
	}
	if err := setup.WriteNew(out, federation.Encode(consent)); err != nil {
		return err
	}
	o.line("wrote %s: give it to the research centre", out)
	return nil
}
