package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"

	"atrium/client"
	"atrium/coordinator/setup"
)

// Settings that a backup of each side has the files of.
var (
	coordinatorFiles = []string{"charter", "countersignatures", "plan", "log_key", "tls.cert", "tls.key", "tls.ca",
		"s3.ca", "s3.credentials", "s3.log_credentials", "s3.retire_credentials"}
	hospitalFiles = []string{"charter", "plan", "policy", "identity_key", "tls.cert", "tls.key", "tls.ca"}
)

// twoFolders takes a place and a folder.
func twoFolders(cmd *cobra.Command, args []string) error {
	return usageError(cobra.ExactArgs(2)(cmd, args))
}

func newCoordinatorBackupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup DEST FOLDER",
		Short: "Copy a coordinator with its keys and its log, also while it runs",
		Long: `Copies what the atrium.yaml of FOLDER names into the new folder DEST: the configuration,
charter, plan, the secret keys (log.key, tls.key, S3 credentials) and the whole storage,
then verifies the copy. It may run beside the coordinator: what is copied is the log as it
stood when the command began. Envelopes of rounds under way are left out.

DEST holds secret keys: its folders have mode 0700, its files 0600. Keep it like a key.
What is printed as digest is the SHA-256 of its backup.json, which names all the rest. Keep
it elsewhere: restore asks for it.`,
		Example: `  atrium coordinator backup /backup/2027-03-01 fed/coordinator`,
		Args:    twoFolders,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := backupConfig(args[1], coordinatorSettings)
			if err != nil {
				return err
			}
			return backUpCoordinator(cmd, c, args[0], args[1])
		},
	}
}

// backupConfig reads the configuration of a folder that is backed up.
func backupConfig(folder string, list []setting) (config, error) {
	file := filepath.Join(folder, setup.ConfigFile)
	b, err := os.ReadFile(file)
	if err != nil {
		return config{}, fmt.Errorf("configuration: %w", err)
	}
	return folderOnly(file, b, list)
}

// folderOnly is the configuration of a folder that holds one federation, as its file b and
// the environment say. Where the state lies the file alone says: a daemon that runs with
// another must not find it empty after a restore.
func folderOnly(file string, b []byte, list []setting) (config, error) {
	c, err := environmentConfig(list)
	if err != nil {
		return c, err
	}
	own := config{viper.New(), list}
	if err := errors.Join(c.take(file, b), own.take(file, b)); err != nil {
		return c, err
	}
	if folders := c.items(federationsKey); len(folders) > 0 {
		return c, fmt.Errorf("%s: it lists %s: each of them is backed up and restored by itself", file, strings.Join(folders, ", "))
	}
	if c.text("state") != own.text("state") {
		return c, fmt.Errorf("%s: state is %q there, and %q by %s: write it into the file, or unset the variable",
			file, own.text("state"), c.text("state"), envName("state"))
	}
	return c, nil
}

func backUpCoordinator(cmd *cobra.Command, c config, dest, folder string) error {
	if err := c.require("storage", "charter", "log_key"); err != nil {
		return err
	}
	charter, err := setup.LoadCharter(c.text("charter"))
	if err != nil {
		return err
	}
	inv, err := setup.NewBackup(dest, folder, setup.CoordinatorBackup, charter.Federation, c.text("storage"), c.files(folder, coordinatorFiles), time.Now())
	if err != nil {
		return err
	}
	o := newOutput(cmd)
	r, err := copyStorage(cmd.Context(), o, c, c.text("storage"), filepath.Join(dest, setup.BackupState), true)
	o.progressEnds()
	if err != nil {
		return err
	}
	inv.Log = setup.LogHead{Size: r.LogSize, Root: r.Root}
	if err := inv.Finish(dest); err != nil {
		return err
	}
	o.backedUp(dest, inv, [2]string{"objects", fmt.Sprintf("%d, %s", r.Objects, bytesText(r.Bytes))},
		[2]string{"log", fmt.Sprintf("size %d, root %s", r.LogSize, r.Root)})
	o.line("OK: the copy of the log is consistent with itself; keep the digest elsewhere: restore asks for it")
	return nil
}

func newHospitalBackupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup DEST FOLDER",
		Short: "Copy a hospital's daemon with its keys and its memory, also while it runs",
		Long: `Copies what the atrium.yaml of FOLDER names into the new folder DEST: the configuration,
charter, plan, policy, the secret keys (identity.key, tls.key) and the state directory
with the journal, and reads the copied journal. It may run beside the daemon. Records
are not copied.

Where one daemon takes part in several federations, the folder of each is backed up.

DEST holds secret keys: its folders have mode 0700, its files 0600. Keep it like a key.
What is printed as digest is the SHA-256 of its backup.json, which names all the rest. Keep
it elsewhere: restore asks for it.`,
		Example: `  atrium hospital backup /backup/2027-03-01 fed/hospitals/a`,
		Args:    twoFolders,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := backupConfig(args[1], hospitalSettings)
			if err != nil {
				return err
			}
			return backUpHospital(cmd, c, args[0], args[1])
		},
	}
}

func backUpHospital(cmd *cobra.Command, c config, dest, folder string) error {
	if err := c.require("state", "charter", "identity_key"); err != nil {
		return err
	}
	charter, err := setup.LoadCharter(c.text("charter"))
	if err != nil {
		return err
	}
	identity, err := setup.LoadIdentity(c.text("identity_key"))
	if err != nil {
		return err
	}
	inv, err := setup.NewBackup(dest, folder, setup.HospitalBackup, charter.Federation, c.text("state"), c.files(folder, hospitalFiles), time.Now())
	if err != nil {
		return err
	}
	// The journal comes first: what it names was stored before.
	state := filepath.Join(dest, setup.BackupState)
	if err := setup.CopyTree(c.text("state"), state, client.JournalFile, client.FrozenFile); err != nil {
		return err
	}
	joins, err := client.CheckState(state, charter, identity)
	if err != nil {
		return err
	}
	if err := inv.AddState(dest); err != nil {
		return err
	}
	// Whoever copies the state by hand, past restore, gets it frozen too.
	if err := errors.Join(client.Freeze(state, "copied by hand from the backup of "+inv.Time), inv.Finish(dest)); err != nil {
		return err
	}
	o := newOutput(cmd)
	o.backedUp(dest, inv, [2]string{"journal", fmt.Sprintf("up to join %d", joins)})
	o.line("OK: the copy of the journal was read; keep the digest elsewhere: restore asks for it")
	return nil
}

// backedUp prints what a backup is, and last the digest that a restore asks for.
func (o *output) backedUp(dest string, inv setup.Inventory, more ...[2]string) {
	files := fmt.Sprintf("%d, secret keys among them", len(inv.Files)+len(inv.Outside))
	o.pairs(append(append([][2]string{{"backup", dest}, {"federation", inv.Federation}, {"files", files}}, more...), [2]string{"digest", inv.Digest()}))
}

func newRecoverCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "recover [FOLDER]",
		Short: "Let a frozen hospital go on with what it signed before",
		Long: `Asks the coordinator for everything that this hospital signed and the log names, verifies
its own signatures, takes up the answers that the journal lacks, burns every manifest
that it did not answer, and lets the daemon start again. The daemon must be ended, and
no second one may run with this identity.

The coordinator is trusted with one thing here: that it withholds no answer. A custodian
that was made to forget one counts among the f that may be hostile.

FOLDER is the folder of an atrium.yaml and stands for --config.`,
		Example: `  atrium hospital recover fed/hospitals/a`,
		Args:    oneFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, args, hospitalSettings)
			if err != nil {
				return err
			}
			cfg, err := loadHospital(cmd, c)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), recoverTime)
			defer cancel()
			r, err := client.Recover(ctx, cfg)
			if err != nil {
				return err
			}
			o := newOutput(cmd)
			if asJSON {
				return o.json(r)
			}
			o.pairs([][2]string{{"joins", fmt.Sprintf("%d, the journal had %d", r.Join, r.JoinBefore)},
				{"sends", fmt.Sprintf("%d taken up", r.Sends)}, {"silent", "in every round that it had joined before"}})
			o.line("OK: start it with: atrium hospital run")
			return nil
		},
	}
	addSettings(cmd, hospitalSettings)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// recoverTime is how long a recovery waits for the coordinator.
const recoverTime = 10 * time.Minute

// files lists the configuration file of a folder and the files that settings name.
func (c config) files(folder string, keys []string) []string {
	files := []string{filepath.Join(folder, setup.ConfigFile)}
	for _, key := range keys {
		if file := c.text(key); file != "" {
			files = append(files, file)
		}
	}
	return files
}
