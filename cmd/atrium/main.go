// Command atrium is a federated-learning coordinator for hospitals: the coordinator, a
// hospital's daemon, the auditor's tools and a demonstration, in one binary.
//
// It reads flags, environment and configuration files, opens what they name and calls
// the packages below; it decides nothing about rounds and holds no arithmetic. Viper is
// used here and nowhere else; output.go has the rules of what is printed.
//
// Exit status: 0 done, 1 an error, 2 wrong usage, 3 an audit without an anchor. SIGINT and SIGTERM end a command in
// order; a second one ends it at once.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run(context.Background(), os.Args[1:])) }

// run is the program without its process: it returns the exit status.
func run(ctx context.Context, args []string) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal is not ours any more
	root := newRootCommand()
	root.SetArgs(args)
	return report(os.Stderr, root.ExecuteContext(ctx))
}
