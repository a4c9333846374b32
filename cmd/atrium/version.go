package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"atrium/client/train"
	"atrium/privacy/secrecy"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Say which program this is", Args: noArguments,
		Example: "  atrium version",
		RunE: func(cmd *cobra.Command, _ []string) error {
			newOutput(cmd).line("%s", versionLine())
			newOutput(cmd).line("matrices are multiplied by %s", train.BLAS())
			newOutput(cmd).line("what secrets leave in memory is erased: %v", secrecy.Erases)
			return nil
		}}
}

// versionLine names version, revision, compiler and platform.
func versionLine() string {
	version, revision := "(devel)", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = " " + s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				revision += " (modified)"
			}
		}
	}
	return fmt.Sprintf("atrium %s%s %s %s/%s", version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
