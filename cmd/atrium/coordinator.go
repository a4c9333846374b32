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
		Short: "Run the coordinator of a federation, or of several",
		Long: `Serves the hospitals of a federation and leads its rounds until the plan has ended,
and then waits for another plan or a signal. It continues where the log ends, whatever
happened before. When plan.yaml is not the plan of the log, that plan is taken up after
the round under way.

Several processes may share one storage: one leads, the others stand by, follow the log
and take over within ten seconds when it is gone, at once when it ends in order. Give each
its own listen and addresses, and hospitals the addresses of all.

Several federations are served on one address when atrium.yaml has, instead of their
keys, a list of their folders; their own listen, addresses, tls.cert and tls.key are not
used then, and each ends or fails by itself:

  listen: 0.0.0.0:7443
  addresses: ["atrium.example.org:7443"]
  tls: {cert: tls.crt, key: tls.key}
  federations: [cardiology, oncology]

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

// servedTogether are the keys that all federations of one process have in common.
var servedTogether = []string{"listen", "addresses", "tls.cert", "tls.key"}

// serve serves one federation, or all that the configuration lists on one address. Their
// files are all read before anything is served; then each has its own fate.
func serve(ctx context.Context, cmd *cobra.Command, c config) error {
	logger, err := c.logger(cmd)
	if err != nil {
		return err
	}
	all, err := c.federations(servedTogether...)
	if err != nil {
		return err
	}
	s := &service{server: rpc.New(logger), logger: logger, address: c.text("listen"), open: make(chan struct{}, 1),
		listening: make(chan struct{}), files: map[string]servedFiles{}}
	names, hospitals := map[string]string{}, 0
	for _, one := range all {
		f, err := loadCoordinator(one.config, logger)
		if err != nil {
			return err
		}
		if other, twice := names[f.Charter.Federation]; twice {
			return fmt.Errorf("%s: federation %s is that of %s too", one.folder, f.Charter.Federation, other)
		}
		names[f.Charter.Federation], s.files[one.folder] = one.folder, f
		hospitals += len(f.Charter.Members)
		tuneCollector(f.plan)
	}
	if err := s.server.Reserve(hospitals); err != nil {
		return err
	}
	if s.tls, err = serverTLS(c, all); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- s.listen(ctx, cancel) }()
	err = each(ctx, all, func(folder string, err error) {
		logger.Error("federation ended, the others go on", "folder", folder, "error", err)
	}, s.lead)
	cancel()
	return errors.Join(<-served, err)
}

// service is the federations of one process behind one listener.
type service struct {
	server  *rpc.Server
	logger  *slog.Logger
	address string
	tls     *tls.Config
	files   map[string]servedFiles // by folder
	open    chan struct{}          // has an element once a federation can be served

	// listening is closed when the address is this process's. Nobody leads before: who has
	// the address is the one that may succeed itself.
	listening chan struct{}
}

// listen serves hospitals from when the first federation is open; cancel ends the process
// when that fails.
func (s *service) listen(ctx context.Context, cancel func()) error {
	defer cancel()
	select {
	case <-s.open:
	case <-ctx.Done():
		return nil
	}
	listener, err := listen(s.address)
	if err != nil {
		return err
	}
	defer listener.Close()
	close(s.listening)
	s.logger.Info("serving", "address", listener.Addr().String())
	return s.server.Serve(ctx, listener, s.tls)
}

// lead opens one federation and leads it, or stands by, until it ends.
func (s *service) lead(ctx context.Context, one folderConfig) error {
	f := s.files[one.folder]
	lead, bucket, err := openLead(ctx, one.config, f.Config)
	if err != nil {
		return err
	}
	defer bucket.Close()
	if err := s.server.Add(lead); err != nil {
		return err
	}
	select {
	case s.open <- struct{}{}:
	default: // it listens already
	}
	select {
	case <-s.listening:
	case <-ctx.Done():
		return nil
	}
	s.logger.Info("federation", "federation", f.Charter.Federation, "charter", f.Charter.Digest().Short())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return lead.Run(ctx) })
	g.Go(func() error {
		if err := lead.SetPlan(ctx, f.plan); !errors.Is(err, coordinator.ErrStopped) { // Run says why it stopped
			return err
		}
		return nil
	})
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

// serverTLS has one certificate for all federations, and admits the hospitals of each.
func serverTLS(c config, all []folderConfig) (*tls.Config, error) {
	if err := c.guard(); err != nil {
		return nil, err
	}
	cert, err := setup.LoadKeyPair(c.text("tls.cert"), c.text("tls.key"))
	if err != nil {
		return nil, err
	}
	var authorities []string
	for _, one := range all {
		authorities = append(authorities, one.text("tls.ca"))
	}
	pool, err := setup.LoadPool(authorities...)
	if err != nil {
		return nil, err
	}
	return rpc.ServerTLS(cert, pool), nil
}

// servedFiles is what the files of one federation say, but for its storage.
type servedFiles struct {
	coordinator.Config
	plan federation.Plan
}

// loadCoordinator reads the files of a coordinator but for its storage.
func loadCoordinator(c config, logger *slog.Logger) (servedFiles, error) {
	fail := func(err error) (servedFiles, error) { return servedFiles{}, err }
	err := c.require("listen", "storage", "charter", "countersignatures", "plan", "log_key", "tls.cert", "tls.key", "tls.ca")
	if err != nil {
		return fail(err)
	}
	if err := c.guard(); err != nil {
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
	return servedFiles{coordinator.Config{Key: key, Charter: charter, Logger: logger, Name: name, Addresses: addresses}, plan}, nil
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
