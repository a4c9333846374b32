package main

import (
	"bufio"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"atrium/client"
	"atrium/client/audit"
	"atrium/coordinator/setup"
)

// restoreRules is what both restores do with a backup.
const restoreRules = `

The digest is what backup printed. A backup that somebody edited has another one, and is
refused; without --digest it is asked for. Whoever lost it can take what sha256sum says of
backup.json, and trusts everybody who could write there.

What lies outside FOLDER is listed, and restored only after a yes or with --outside for each.
Files have mode 0600 afterwards, folders 0700. A link on the way, and a file that is there with
other bytes, is refused before anything is written.`

// consent is what a person gives a restore beforehand.
type consent struct {
	digest  string
	outside []string
}

func (c *consent) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.digest, "digest", "", "`SHA-256` that backup printed (default: asked for)")
	cmd.Flags().StringArrayVar(&c.outside, "outside", nil, "`path` outside FOLDER that may be restored, for each such path (default: asked for)")
}

// restoring is a backup that was compared with its digest, and with what its own
// configuration names, and the places that somebody agreed to.
type restoring struct {
	o      *output
	in     *bufio.Reader
	dir    string // of the backup
	into   string
	inv    setup.Inventory
	files  map[string][]byte
	config config
	places setup.Places
}

// openRestore asks and checks everything before anything is written. stateKey names the
// setting of what changes, keys those of the files.
func openRestore(cmd *cobra.Command, dir, into, kind string, given consent, known []setting, stateKey string, keys []string) (*restoring, error) {
	r := &restoring{o: newOutput(cmd), in: bufio.NewReader(cmd.InOrStdin()), dir: dir, into: into}
	var err error
	if r.inv, err = setup.OpenBackup(dir, kind); err != nil {
		return nil, err
	}
	if err := r.checkDigest(given.digest); err != nil {
		return nil, err
	}
	if r.files, err = r.inv.Read(dir); err != nil {
		return nil, err
	}
	if r.config, err = folderOnly(filepath.Join(into, setup.ConfigFile), r.files[setup.ConfigFile], known); err != nil {
		return nil, fmt.Errorf("backup %s: %w", dir, err)
	}
	if err := r.config.require(stateKey, "charter"); err != nil {
		return nil, fmt.Errorf("backup %s: %w", dir, err)
	}
	if err := r.inv.Matches(into, r.config.text(stateKey), r.config.files(into, keys)); err != nil {
		return nil, fmt.Errorf("backup %s: %w", dir, err)
	}
	if r.places, err = r.inv.Places(into, r.config.text(stateKey)); err != nil {
		return nil, err
	}
	return r, r.checkOutside(given.outside)
}

// checkDigest compares the digest that somebody kept. The one of this backup is not shown:
// it would be the easiest answer.
func (r *restoring) checkDigest(digest string) error {
	if digest == "" {
		digest = r.ask("Digest that backup printed:")
	}
	if digest == "" {
		return fmt.Errorf("backup %s: no digest was given: nothing was restored", r.dir)
	}
	if err := r.inv.CheckDigest(digest); err != nil {
		return fmt.Errorf("backup %s: %w", r.dir, err)
	}
	return nil
}

// checkOutside wants an agreement to each place that does not lie in the folder.
func (r *restoring) checkOutside(agreed []string) error {
	for _, path := range agreed {
		if !slices.Contains(r.places.Outside, path) {
			return usageError(fmt.Errorf("--outside %q: the backup has nothing there", path))
		}
	}
	missing := slices.DeleteFunc(slices.Clone(r.places.Outside), func(path string) bool { return slices.Contains(agreed, path) })
	if len(missing) == 0 {
		return nil
	}
	r.o.line("The backup also writes outside %s:", r.into)
	for _, path := range missing {
		r.o.line("  %s", path)
	}
	if r.ask("Type yes to restore these too:") != "yes" {
		return fmt.Errorf("backup %s: %s: outside %s, and nobody agreed: nothing was restored; answer yes, or give --outside for each",
			r.dir, strings.Join(missing, ", "), r.into)
	}
	return nil
}

// ask returns one line of the answer; no answer is an empty one.
func (r *restoring) ask(question string) string {
	r.o.line("%s", question)
	answer, _ := r.in.ReadString('\n')
	return strings.TrimSpace(answer)
}

func newCoordinatorRestoreCommand() *cobra.Command {
	var given consent
	cmd := &cobra.Command{
		Use:   "restore BACKUP FOLDER",
		Short: "Put a coordinator back from a backup",
		Long: `Verifies a backup, puts its files into FOLDER and the log into the storage that its
atrium.yaml names, and audits it there. Nothing is written over. No coordinator may run.

A log that is older than what hospitals have seen cannot be led any more: they hold
signed proof of what it lost, and the coordinator that is started on it refuses. Restore
the newest copy that there is.` + restoreRules,
		Example: `  atrium coordinator restore /backup/2027-03-01 fed/coordinator`,
		Args:    twoFolders,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := openRestore(cmd, args[0], args[1], setup.CoordinatorBackup, given, coordinatorSettings, "storage", coordinatorFiles)
			if err != nil {
				return err
			}
			return r.coordinator(cmd.Context())
		},
	}
	given.flags(cmd)
	return cmd
}

// coordinator audits the log in the backup, puts everything into its place, and audits the
// log there. Both must be the one that was backed up.
func (r *restoring) coordinator(ctx context.Context) error {
	from := filepath.Join(r.dir, setup.BackupState)
	if err := r.auditBackup(ctx, from); err != nil {
		return err
	}
	if err := r.inv.Write(r.places, r.files); err != nil {
		return err
	}
	storage := r.config.text("storage")
	copied, err := copyStorage(ctx, r.o, r.config, from, storage, true)
	r.o.progressEnds()
	if err == nil {
		err = r.sameLog(copied.LogSize, copied.Root)
	}
	if err != nil {
		return fmt.Errorf("%w: do not serve what is in %s", err, storage)
	}
	r.o.pairs([][2]string{{"restored", r.into}, {"federation", r.inv.Federation}, {"backup of", r.inv.Time},
		{"log", fmt.Sprintf("size %d, root %s", copied.LogSize, copied.Root)}})
	r.o.line("OK: the log is consistent with itself; hospitals tell whether it is the newest. Start it with: atrium coordinator serve %s", r.into)
	return nil
}

// auditBackup refuses a backup of another log, before anything is written.
func (r *restoring) auditBackup(ctx context.Context, dir string) error {
	b, err := r.config.openPlace(ctx, dir)
	if err != nil {
		return err
	}
	defer b.Close()
	report, err := audit.Verify(ctx, b, audit.Options{Progress: watch(r.o, "verify the backup")})
	r.o.progressEnds()
	if err != nil {
		return fmt.Errorf("the backup in %s: %w", dir, err)
	}
	return r.sameLog(report.Published, report.Root.String())
}

func (r *restoring) sameLog(size int64, root string) error {
	if got := (setup.LogHead{Size: size, Root: root}); got != r.inv.Log {
		return fmt.Errorf("backup %s: %w: the log has size %d and root %s, the backup was made of size %d and root %s", r.dir, setup.ErrBackup,
			size, root, r.inv.Log.Size, r.inv.Log.Root)
	}
	return nil
}

func newHospitalRestoreCommand() *cobra.Command {
	var given consent
	cmd := &cobra.Command{
		Use:   "restore BACKUP FOLDER",
		Short: "Put a hospital's daemon back from a backup",
		Long: `Verifies a backup and puts its files into FOLDER and the state where its atrium.yaml says,
which must be empty. Nothing is written over.

A restored hospital has forgotten what it signed since, and a custodian must never answer
one question in two ways. So it starts frozen, until atrium hospital recover has asked the
coordinator for what it signed. A state whose restore broke off cannot be recovered: it is
emptied and restored again.` + restoreRules,
		Example: `  atrium hospital restore /backup/2027-03-01 fed/hospitals/a
  atrium hospital recover fed/hospitals/a`,
		Args: twoFolders,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := openRestore(cmd, args[0], args[1], setup.HospitalBackup, given, hospitalSettings, "state", hospitalFiles)
			if err != nil {
				return err
			}
			return r.hospital()
		},
	}
	given.flags(cmd)
	return cmd
}

// hospital freezes the state before it writes anything else: a daemon must not find the
// configuration beside an empty memory.
func (r *restoring) hospital() error {
	if !r.inv.Holds(client.JournalFile) {
		return fmt.Errorf("backup %s: %w: it lacks the %s of the state", r.dir, setup.ErrBackup, client.JournalFile)
	}
	if err := client.BeginRestore(r.places.State, "restored from the backup of "+r.inv.Time); err != nil {
		return err
	}
	if err := r.inv.WriteState(r.dir, r.places); err != nil {
		return err
	}
	if err := r.inv.Write(r.places, r.files); err != nil {
		return err
	}
	charter, err := setup.LoadCharter(r.config.text("charter"))
	if err != nil {
		return err
	}
	identity, err := setup.LoadIdentity(r.config.text("identity_key"))
	if err != nil {
		return err
	}
	joins, err := client.FinishRestore(r.places.State, charter, identity)
	if err != nil {
		return err
	}
	r.o.pairs([][2]string{{"restored", r.into}, {"federation", r.inv.Federation}, {"backup of", r.inv.Time}, {"state", r.places.State},
		{"journal", fmt.Sprintf("up to join %d", joins)}})
	r.o.line("it is frozen until: atrium hospital recover %s", r.into)
	return nil
}
