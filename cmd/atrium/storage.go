package main

import "github.com/spf13/cobra"

func newStorageCommand() *cobra.Command {
	return group("storage", "Where a federation's objects are: size, copies, S3 policies",
		newCopyCommand(), newUsageCommand(), newPolicyCommand())
}
