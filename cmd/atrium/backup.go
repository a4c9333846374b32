package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

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
then audits the copy. It may run beside the coordinator: what is copied is the log as it
stood when the command began. Envelopes of rounds under way are left out.

DEST holds secret keys: its folders have mode 0700, its files 0600. Keep it like a key.`,
		Example: `  atrium coordinator backup /backup/2027-03-01 fed/coordinator`,
		Args:    twoFolders,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(noFlags(cmd), args[1:], coordinatorSettings)
			if err != nil {
				return err
			}
			return backUpCoordinator(cmd, c, args[0], args[1])
		},
	}
}

func backUpCoordinator(cmd *cobra.Command, c config, dest, folder string) error {
	if err := c.require("storage", "charter", "log_key"); err != nil {
		return err
	}
	charter, err := setup.LoadCharter(c.text("charter"))
	if err != nil {
		return err
	}
	inv, err := setup.NewBackup(dest, folder, "coordinator", charter.Federation, c.text("storage"), c.files(folder, coordinatorFiles), time.Now())
	if err != nil {
		return err
	}
	o := newOutput(cmd)
	r, err := copyStorage(cmd.Context(), o, c, c.text("storage"), filepath.Join(dest, setup.BackupState), true)
	o.progressEnds()
	if err == nil {
		err = inv.Finish(dest)
	}
	if err != nil {
		return err
	}
	o.pairs([][2]string{{"backup", dest}, {"federation", inv.Federation}, {"files", fmt.Sprintf("%d, secret keys among them", len(inv.Files))},
		{"objects", fmt.Sprintf("%d, %s", r.Objects, bytesText(r.Bytes))}, {"log", fmt.Sprintf("size %d, root %s", r.LogSize, r.Root)}})
	o.line("OK: the copy of the log was audited")
	return nil
}

func newCoordinatorRestoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore BACKUP FOLDER",
		Short: "Put a coordinator back from a backup",
		Long: `Verifies a backup, puts its files into FOLDER and the log into the storage that its
atrium.yaml names, and audits it there. What is there with other bytes is refused, and
nothing is written over. No coordinator may run.

A log that is older than what hospitals have seen cannot be led any more: they hold
signed proof of what it lost, and the coordinator that is started on it refuses. Restore
the newest copy that there is.`,
		Example: `  atrium coordinator restore /backup/2027-03-01 fed/coordinator`,
		Args:    twoFolders,
		RunE: func(cmd *cobra.Command, args []string) error {
			inv, err := setup.OpenBackup(args[0], "coordinator")
			if err != nil {
				return err
			}
			if err := inv.Restore(args[0], args[1]); err != nil {
				return err
			}
			c, err := loadConfig(noFlags(cmd), args[1:], coordinatorSettings)
			if err != nil {
				return err
			}
			o := newOutput(cmd)
			r, err := copyStorage(cmd.Context(), o, c, filepath.Join(args[0], setup.BackupState), c.text("storage"), true)
			o.progressEnds()
			if err != nil {
				return err
			}
			o.pairs([][2]string{{"restored", args[1]}, {"federation", inv.Federation}, {"backup of", inv.Time},
				{"log", fmt.Sprintf("size %d, root %s", r.LogSize, r.Root)}})
			o.line("OK: the log was audited; start it with: atrium coordinator serve %s", args[1])
			return nil
		},
	}
}

func newHospitalBackupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup DEST FOLDER",
		Short: "Copy a hospital's daemon with its keys and its memory, also while it runs",
		Long: `Copies what the atrium.yaml of FOLDER names into the new folder DEST: the configuration,
charter, plan, policy, the secret keys (identity.key, tls.key) and the state directory
with the journal, and reads the copied journal. It may run beside the daemon. Records
are not copied.

DEST holds secret keys: its folders have mode 0700, its files 0600. Keep it like a key.`,
		Example: `  atrium hospital backup /backup/2027-03-01 fed/hospitals/a`,
		Args:    twoFolders,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(noFlags(cmd), args[1:], hospitalSettings)
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
	inv, err := setup.NewBackup(dest, folder, "hospital", charter.Federation, c.text("state"), c.files(folder, hospitalFiles), time.Now())
	if err != nil {
		return err
	}
	// The journal comes first: what it names was stored before.
	state := filepath.Join(dest, setup.BackupState)
	if err := setup.CopyTree(c.text("state"), state, client.JournalFile, ""); err != nil {
		return err
	}
	joins, err := client.CheckState(state, charter, identity)
	if err == nil {
		err = inv.Finish(dest)
	}
	if err != nil {
		return err
	}
	o := newOutput(cmd)
	o.pairs([][2]string{{"backup", dest}, {"federation", inv.Federation}, {"files", fmt.Sprintf("%d, secret keys among them", len(inv.Files))},
		{"journal", fmt.Sprintf("up to join %d", joins)}})
	o.line("OK: the copy of the journal was read")
	return nil
}

func newHospitalRestoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore BACKUP FOLDER",
		Short: "Put a hospital's daemon back from a backup",
		Long: `Verifies a backup and puts its files into FOLDER and the state where the atrium.yaml says,
which must be empty. What is there with other bytes is refused, and nothing is written
over.

A restored hospital has forgotten what it signed since, and a custodian must never answer
one question in two ways. So it starts frozen, until atrium hospital recover has asked the
coordinator for what it signed.`,
		Example: `  atrium hospital restore /backup/2027-03-01 fed/hospitals/a
  atrium hospital recover fed/hospitals/a`,
		Args: twoFolders,
		RunE: func(cmd *cobra.Command, args []string) error {
			inv, err := setup.OpenBackup(args[0], "hospital")
			if err != nil {
				return err
			}
			state := inv.Place(inv.State, args[1])
			if err := setup.CheckFree(state); err != nil {
				return err
			}
			if err := inv.Restore(args[0], args[1]); err != nil {
				return err
			}
			if err := client.Freeze(state, "restored from the backup of "+inv.Time); err != nil {
				return err
			}
			if err := setup.CopyTree(filepath.Join(args[0], setup.BackupState), state, "", client.FrozenFile); err != nil {
				return err
			}
			o := newOutput(cmd)
			o.pairs([][2]string{{"restored", args[1]}, {"federation", inv.Federation}, {"backup of", inv.Time}})
			o.line("it is frozen until: atrium hospital recover %s", args[1])
			return nil
		},
	}
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

// noFlags lets a command without settings of its own be configured by its folder.
func noFlags(cmd *cobra.Command) *cobra.Command {
	if cmd.Flags().Lookup(configKey) == nil {
		cmd.Flags().String(configKey, "", "")
	}
	return cmd
}

// files lists the configuration file of a folder and the files that settings name.
func (c config) files(folder string, keys []string) []string {
	var files []string
	if file := filepath.Join(folder, setup.ConfigFile); exists(file) {
		files = append(files, file)
	}
	for _, key := range keys {
		if file := c.text(key); file != "" {
			files = append(files, file)
		}
	}
	return files
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}
