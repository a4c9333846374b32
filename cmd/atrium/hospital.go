package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math"
	"net"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"atrium/client"
	"atrium/client/train/external"
	"atrium/coordinator/federation"
	"atrium/coordinator/setup"
)

func newHospitalCommand() *cobra.Command {
	return group("hospital", "A hospital's side", newRunCommand(), newHospitalStatusCommand(), newHospitalCheckpointCommand(), newHospitalCharterCommand(), newHospitalSourceCommand(), newHospitalRecomputeCommand(),
		newHospitalBackupCommand(), newHospitalRestoreCommand(), newRecoverCommand())
}

func newRunCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [FOLDER]",
		Short: "Run a hospital's daemon in its federations",
		Long: `Asks the coordinator for work over outbound connections only, trains on the records
that data.train names, encrypts, submits, and does a custodian's part, until a signal
ends it, or a charter that does not name this hospital. policy.yaml decides what is
computed here and what leaves.

Records are CSV files with the plan's columns by name. Of a plan over arrays (waveforms,
images) they are NPY files, NAME.npy in C order, with labels beside in NAME.labels.npy or
NAME.labels.csv, as data.train and data.test name them. Where a hospital's own files differ,
data.columns names a YAML file that says how; it never leaves the hospital:

  columns:
    - {name: chol, from: cholesterol_mmol_l, scale: 38.67}   # scale * own value + offset
    - {name: sex, from: gender, codes: [{text: m, value: 1}, {text: f, value: 0}]}

Where its policy says capability: true, it says with each Join how long a round's training
takes, how fast its link is and how much memory it has, as powers of two: what it measured,
or capability.train_seconds, capability.upload_kib and capability.memory_mib.

With several coordinator addresses it asks the one that leads, and no other address than
those.

A plan whose model is external is trained by a program of this hospital's, which only this
file can name: trainer.program, and trainer.sha256 as sha256sum prints it. It runs without
network, in namespaces of its own, within trainer.seconds and trainer.memory_mib, and is
killed when it breaks the protocol (package client/train/external). trainer.base is the file
that the plan's model builds on, if it names one.

One daemon takes part in several federations when its atrium.yaml has, instead of
their keys, a list of their folders:

  federations: [cardiology, oncology]

FOLDER is the folder of an atrium.yaml and stands for --config.`,
		Example: `  atrium hospital run fed/hospitals/a
  ATRIUM_DATA_TRAIN=/srv/records/train.csv atrium hospital run --config /etc/atrium/atrium.yaml`,
		Args: oneFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, args, hospitalSettings)
			if err != nil {
				return err
			}
			return runDaemon(cmd, func(ctx context.Context) error { return runHospital(ctx, cmd, c) })
		},
	}
	addSettings(cmd, hospitalSettings)
	addStdinFlag(cmd)
	return cmd
}

// runHospital runs a daemon in one federation, or in all that the configuration lists;
// adjust changes its configuration for a benchmark. All files are read first; then what
// ends one federation's part does not end the others.
func runHospital(ctx context.Context, cmd *cobra.Command, c config, adjust ...func(*client.Config)) error {
	logger, err := c.logger(cmd)
	if err != nil {
		return err
	}
	all, err := c.federations()
	if err != nil {
		return err
	}
	parts, states := map[string]client.Config{}, map[string]string{}
	for _, one := range all {
		cfg, err := loadHospital(cmd, one.config)
		if err != nil {
			return err
		}
		if other, twice := states[cfg.State]; twice {
			return fmt.Errorf("%s: state %s is that of %s too: each federation has its own", one.folder, cfg.State, other)
		}
		states[cfg.State] = one.folder
		if one.folder != "" {
			cfg.Logger = cfg.Logger.With("federation", cfg.Charter.Federation)
		}
		for _, f := range adjust {
			f(&cfg)
		}
		tuneCollector(cfg.Plan)
		parts[one.folder] = cfg
	}
	return each(ctx, all, func(folder string, err error) {
		logger.Error("this federation's part ended, the others go on", "folder", folder, "error", err)
	}, func(ctx context.Context, one folderConfig) error { return runPart(ctx, parts[one.folder]) })
}

// runPart runs the daemon of one federation.
func runPart(ctx context.Context, cfg client.Config) (err error) {
	d, err := client.Open(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Run(ctx)
}

// loadHospital reads the files of a daemon.
func loadHospital(cmd *cobra.Command, c config) (client.Config, error) {
	cfg := client.Config{Name: c.text("name"), Addresses: c.items("coordinator"), State: c.text("state"),
		Train: c.text("data.train"), Test: c.text("data.test"), Source: c.text("data.source")}
	err := c.require("name", "coordinator", "charter", "plan", "policy", "identity_key",
		"tls.cert", "tls.key", "tls.ca", "state", "data.train", "data.test")
	if err != nil {
		return cfg, err
	}
	if err := c.guard(); err != nil {
		return cfg, err
	}
	if cfg.Logger, err = c.logger(cmd); err != nil {
		return cfg, err
	}
	if text := c.text("rounding_seed"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return cfg, fmt.Errorf("rounding_seed %q: want a whole number from 0 to 2^64-1", text)
		}
		cfg.RoundingSeed = &seed
	}
	for key, n := range map[string]*int{"capability.train_seconds": &cfg.Capability.TrainSeconds,
		"capability.upload_kib": &cfg.Capability.UploadKiB, "capability.memory_mib": &cfg.Capability.MemoryMiB} {
		if *n, err = strconv.Atoi(c.text(key)); err != nil || *n < 0 {
			return cfg, fmt.Errorf("%s %q: want a whole number, 0 or more", key, c.text(key))
		}
	}
	if cfg.Charter, err = setup.LoadCharter(c.text("charter")); err != nil {
		return cfg, err
	}
	if cfg.Plan, err = setup.LoadPlan(c.text("plan")); err != nil {
		return cfg, err
	}
	if file := c.text("data.columns"); file != "" {
		if cfg.Columns, err = readColumns(file, cfg.Plan); err != nil {
			return cfg, err
		}
	}
	if cfg.Program, err = loadProgram(c); err != nil {
		return cfg, err
	}
	if cfg.Policy, err = setup.LoadPolicy(c.text("policy")); err != nil {
		return cfg, err
	}
	if !slices.Contains(cfg.Policy.Plans, cfg.Plan.Digest()) {
		cfg.Logger.Warn("the policy does not approve the plan: no round of it will be joined",
			"plan", cfg.Plan.Digest().String(), "policy", c.text("policy"))
	}
	if cfg.Identity, err = setup.LoadIdentity(c.text("identity_key")); err != nil {
		return cfg, err
	}
	warnOfPeers(cfg, c.text("policy"))
	return cfg, loadTLS(&cfg, c)
}

// warnOfPeers says at the start what would otherwise be found out in the first round.
func warnOfPeers(cfg client.Config, file string) {
	self := federation.NewHospitalID(cfg.Charter.Federation, cfg.Identity.Public().(ed25519.PublicKey))
	for i, group := range cfg.Charter.Groups {
		if err := cfg.Policy.JudgeGroup(cfg.Charter, self, group); err != nil {
			cfg.Logger.Warn("the policy lets no sum of a group be opened: compare fingerprints with the people of other hospitals and list them in peers",
				"group", i, "error", err, "policy", file)
		}
	}
}

// loadProgram reads what this hospital's configuration says about its trainer.
func loadProgram(c config) (external.Program, error) {
	p := external.Program{Path: c.text("trainer.program"), Base: c.text("trainer.base")}
	var err error
	if p.Seconds, err = c.number("trainer.seconds", 1, external.MaxSeconds); err != nil {
		return p, err
	}
	mib, err := c.number("trainer.memory_mib", external.MinMemory>>20, math.MaxInt32)
	if err != nil {
		return p, err
	}
	p.Memory = int64(mib) << 20
	if text := c.text("trainer.sha256"); text != "" {
		if err := p.SHA256.UnmarshalText([]byte(text)); err != nil {
			return p, fmt.Errorf("trainer.sha256 %.80q: want 64 digits 0-9 and a-f", text)
		}
	}
	if p.Path != "" && !filepath.IsAbs(p.Path) {
		if p.Path, err = filepath.Abs(p.Path); err != nil {
			return p, err
		}
	}
	return p, nil
}

func loadTLS(cfg *client.Config, c config) error {
	cert, err := setup.LoadKeyPair(c.text("tls.cert"), c.text("tls.key"))
	if err != nil {
		return err
	}
	pool, err := setup.LoadPool(c.text("tls.ca"))
	if err != nil {
		return err
	}
	for _, address := range cfg.Addresses {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return fmt.Errorf("coordinator %q: want host:port", address)
		}
	}
	cfg.TLS = client.ClientTLS(cert, pool, c.text("server_name")) // the host of each address, where it is empty
	return nil
}
