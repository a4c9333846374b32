package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitFailure    = 1
	exitUsage      = 2
	exitUnanchored = 3
)

// errUsage marks errors of whoever typed the command.
type errUsage struct{ error }

func (e errUsage) Unwrap() error { return e.error }

// usageError makes the exit status 2.
func usageError(err error) error {
	if err == nil {
		return nil
	}
	return errUsage{err}
}

func isUsage(err error) bool {
	var u errUsage
	return errors.As(err, &u)
}

func newRootCommand() *cobra.Command {
	root := group("atrium", "Train models together, keep every record at home",
		newVersionCommand(), newCoordinatorCommand(), newHospitalCommand(), newAuditCommand(), newPlanCommand(), newDemoCommand(), newSimulateCommand(), newCompareCommand(), newBenchCommand())
	root.Long = `Atrium trains models over the records of several hospitals that never leave them.
Each hospital encrypts its update; a coordinator adds the ciphertexts and learns only
the sum; a signed log lets an auditor re-derive every version of the model.`
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	return root
}

// group is a command that only has others below it.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(commands...)
	return cmd
}

func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	hint := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf(": did you mean %q?", near[0])
	}
	return usageError(fmt.Errorf("unknown command %q of %q%s", args[0], cmd.CommandPath(), hint))
}

// noArguments refuses what follows the flags.
func noArguments(cmd *cobra.Command, args []string) error { return usageError(cobra.NoArgs(cmd, args)) }

// oneFolder takes at most one argument.
func oneFolder(cmd *cobra.Command, args []string) error {
	return usageError(cobra.MaximumNArgs(1)(cmd, args))
}
