package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/rpc"
	"atrium/coordinator/setup"
	"atrium/storage/location"
	"atrium/storage/minio"
)

func newCoordinatorCommand() *cobra.Command {
	return group("coordinator", "The research centre's side", newInitCommand(), newServeCommand(), newRetireCommand(), newCoordinatorStatusCommand(), newStorageCommand(), newCharterCommand(),
		newCoordinatorBackupCommand(), newCoordinatorRestoreCommand())
}

func newServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve [FOLDER]",
		Short: "Run the coordinator of a federation",
		Long: `Serves the hospitals of a federation and leads its rounds until the plan has ended,
and then waits for another plan or a signal. It continues where the log ends, whatever
happened before. When plan.yaml is not the plan of the log, that plan is taken up after
the round under way.

FOLDER is the folder of an atrium.yaml and stands for --config.`,
		Example: `  atrium coordinator serve fed/coordinator
  ATRIUM_LOG_FORMAT=json atrium coordinator serve --config /etc/atrium/atrium.yaml`,
		Args: oneFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, args, coordinatorSettings)
			if err != nil {
				return err
			}
			return runDaemon(cmd, func(ctx context.Context) error { return serve(ctx, cmd, c) })
		},
	}
	addSettings(cmd, coordinatorSettings)
	addStdinFlag(cmd)
	return cmd
}

func serve(ctx context.Context, cmd *cobra.Command, c config) error {
	logger, err := c.logger(cmd)
	if err != nil {
		return err
	}
	cfg, plan, err := loadCoordinator(c, logger)
	if err != nil {
		return err
	}
	tuneCollector(plan)
	tlsConfig, err := serverTLS(c)
	if err != nil {
		return err
	}
	lead, bucket, err := openLead(ctx, c, cfg)
	if err != nil {
		return err
	}
	defer bucket.Close()
	listener, err := listen(c.text("listen"))
	if err != nil {
		return err
	}
	defer listener.Close()
	logger.Info("serving", "address", listener.Addr().String(), "federation", cfg.Charter.Federation, "charter", cfg.Charter.Digest().Short())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return lead.Run(ctx) })
	g.Go(func() error {
		if err := lead.SetPlan(ctx, plan); !errors.Is(err, coordinator.ErrStopped) { // Run says why it stopped
			return err
		}
		return nil
	})
	g.Go(func() error { return rpc.New(logger, lead).Serve(ctx, listener, tlsConfig) })
	return g.Wait()
}

// openLead opens the storage and the log in it. A storage that does not answer is waited
// for: after a power cut it may start later than this.
func openLead(ctx context.Context, c config, cfg coordinator.Config) (*coordinator.Coordinator, location.Bucket, error) {
	for waited := false; ; waited = true {
		lead, bucket, err := tryLead(ctx, c, cfg)
		if !errors.Is(err, minio.ErrUnreachable) || ctx.Err() != nil {
			return lead, bucket, err
		}
		if !waited {
			cfg.Logger.Error("storage is waited for", "error", err)
		}
		select {
		case <-time.After(storeDelay):
		case <-ctx.Done():
		}
	}
}

// storeDelay is between attempts to reach a storage, which take seconds themselves.
const storeDelay = 500 * time.Millisecond

func tryLead(ctx context.Context, c config, cfg coordinator.Config) (*coordinator.Coordinator, location.Bucket, error) {
	bucket, err := c.openStore(ctx)
	if err != nil {
		return nil, nil, err
	}
	cfg.Bucket = bucket
	warnings, err := location.Probe(ctx, bucket)
	if err == nil {
		var lead *coordinator.Coordinator
		if lead, err = coordinator.Open(ctx, cfg); err == nil {
			for _, w := range warnings {
				cfg.Logger.Warn(w, "storage", c.text("storage"))
			}
			return lead, bucket, nil
		}
	}
	return nil, nil, errors.Join(fmt.Errorf("storage %s: %w", c.text("storage"), err), bucket.Close())
}

func serverTLS(c config) (*tls.Config, error) {
	cert, err := setup.LoadKeyPair(c.text("tls.cert"), c.text("tls.key"))
	if err != nil {
		return nil, err
	}
	pool, err := setup.LoadPool(c.text("tls.ca"))
	if err != nil {
		return nil, err
	}
	return rpc.ServerTLS(cert, pool), nil
}

// loadCoordinator reads the files of a coordinator but for its storage.
func loadCoordinator(c config, logger *slog.Logger) (coordinator.Config, federation.Plan, error) {
	fail := func(err error) (coordinator.Config, federation.Plan, error) {
		return coordinator.Config{}, federation.Plan{}, err
	}
	err := c.require("listen", "storage", "charter", "countersignatures", "plan", "log_key", "tls.cert", "tls.key", "tls.ca")
	if err != nil {
		return fail(err)
	}
	charter, err := setup.LoadCharter(c.text("charter"))
	if err != nil {
		return fail(err)
	}
	if _, err := setup.LoadCountersignatures(c.text("countersignatures"), charter); err != nil {
		return fail(err)
	}
	plan, err := setup.LoadPlan(c.text("plan"))
	if err != nil {
		return fail(err)
	}
	key, err := setup.LoadCharterKey(c.text("log_key"), charter)
	if err != nil {
		return fail(err)
	}
	name, addresses, err := identify(c)
	if err != nil {
		return fail(err)
	}
	return coordinator.Config{Key: key, Charter: charter, Logger: logger, Name: name, Addresses: addresses}, plan, nil
}

// identify names this coordinator among those of one storage: by machine and port, which
// no two that run share, and a process that is started again has again.
func identify(c config) (name string, addresses []string, err error) {
	host, err := os.Hostname()
	if err != nil {
		return "", nil, err
	}
	if addresses = c.items("addresses"); len(addresses) == 0 {
		addresses = []string{c.text("listen")}
	}
	return host + "/" + c.text("listen"), addresses, nil
}

func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: address already in use: end the program that listens there, or choose another with --listen", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, errors.Unwrap(err))
	}
	return l, nil
}
