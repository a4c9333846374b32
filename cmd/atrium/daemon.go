package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"
)

// stdinFlag makes a daemon end when its standard input does, so that it cannot outlive
// whoever started it with a pipe, even one that was killed.
const stdinFlag = "stop-with-stdin"

func addStdinFlag(cmd *cobra.Command) {
	cmd.Flags().Bool(stdinFlag, false, "end when standard input ends")
	if err := cmd.Flags().MarkHidden(stdinFlag); err != nil {
		panic(err) // the flag was added a line above
	}
}

// runDaemon runs a daemon until the command's context ends, or standard input with
// stdinFlag. To be told to end is no error. The reading goroutine ends with the process.
func runDaemon(cmd *cobra.Command, run func(context.Context) error) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	on, err := cmd.Flags().GetBool(stdinFlag)
	if err != nil {
		return err
	}
	if on {
		go func() {
			_, _ = io.Copy(io.Discard, cmd.InOrStdin()) // an error ends it like an end
			cancel()
		}()
	}
	if err := run(ctx); ctx.Err() == nil || !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
