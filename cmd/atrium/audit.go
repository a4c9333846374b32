package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"atrium/client/audit"
	"atrium/coordinator/federation"
	"atrium/storage/local"
	"atrium/storage/location"
	"atrium/storage/roundlog"
)

func newAuditCommand() *cobra.Command {
	return group("audit", "Check a federation's log, offline and without a secret",
		newVerifyCommand(), newReplayCommand(), newShowCommand(), newEvidenceCommand())
}

// auditFlags is what the flags of every audit command say.
type auditFlags struct {
	state       string
	charter     string
	checkpoints []string
	json        bool
}

// auditCommand is a command over an opened store.
func auditCommand(use, short, long, example string, f *auditFlags, run func(*cobra.Command, location.Bucket, audit.Options) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Example: example, Args: f.moreCheckpoints,
		RunE: func(cmd *cobra.Command, args []string) error {
			options, err := f.options(args)
			if err != nil {
				return err
			}
			bucket, err := f.open(cmd)
			if err != nil {
				return err
			}
			defer bucket.Close()
			return run(cmd, bucket, options)
		}}
	cmd.Flags().StringVar(&f.state, "state", "", "`directory` of a federation, of its coordinator, or of its storage")
	addSettings(cmd, coordinatorSettings, "storage")
	cmd.Flags().StringVar(&f.charter, "charter-digest", "", "`digest` of the charter that you trust, 64 hexadecimal digits")
	cmd.Flags().StringArrayVar(&f.checkpoints, "checkpoint", nil, "`file` of a checkpoint that a hospital kept; more may follow, as FILE... or each behind its own flag")
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object")
	return cmd
}

// moreCheckpoints takes arguments behind --checkpoint, so that a shell's pattern will do.
func (f *auditFlags) moreCheckpoints(cmd *cobra.Command, args []string) error {
	if len(f.checkpoints) > 0 {
		return nil
	}
	return noArguments(cmd, args)
}

func (f *auditFlags) options(more []string) (audit.Options, error) {
	var options audit.Options
	var err error
	if f.charter != "" {
		if options.Charter, err = federation.ParseDigest(f.charter); err != nil {
			return options, usageError(fmt.Errorf("--charter-digest: %w", err))
		}
	}
	for _, file := range slices.Concat(f.checkpoints, more) {
		data, err := readAtMost(file, roundlog.MaxKeptBytes)
		if err != nil {
			return options, fmt.Errorf("--checkpoint: %w", err)
		}
		options.Checkpoints = append(options.Checkpoints, audit.Checkpoint{File: file, Data: data})
	}
	return options, nil
}

// readAtMost reads a file of somebody else's, and one byte more than limit of a longer one.
func readAtMost(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit+1))
}

// anchorHelp is what verify and replay say about their verdict.
const anchorHelp = `

The verdict is OK only under an anchor from outside of the store, and needs both parts of
it: --charter-digest, which a hospital's people approved (atrium hospital status), says
whose log it is, and --checkpoint, which hospitals hand over themselves (atrium hospital
checkpoint), how much of it there must be. Otherwise it is "consistent with itself, not
anchored", which is true of a log that was cut or made up, too.

Exit status: 0 OK, 1 something is wrong or cannot be read, 2 wrong usage, 3 consistent with
itself, not anchored.`

// errUnanchored: nothing is wrong, and nothing outside of the store holds it to that.
type errUnanchored struct{ missing string }

func (e errUnanchored) Error() string {
	return "not anchored: the audit was not given " + e.missing
}

// verdict prints the judgement, or lets JSON speak, and returns the exit status.
func (f *auditFlags) verdict(o *output, l audit.Log, lines []string, checked string, report any) error {
	if f.json {
		if err := o.json(report); err != nil {
			return err
		}
	} else {
		o.lines(lines)
		o.line("%s", l.Verdict(checked))
	}
	if !l.Anchored {
		return errUnanchored{l.Anchor.Missing()}
	}
	return nil
}

// open opens the storage that --storage or a configuration names, or that is found in
// the directory of a demonstration, a federation or a coordinator.
func (f *auditFlags) open(cmd *cobra.Command) (location.Bucket, error) {
	if f.state != "" {
		if cmd.Flags().Changed("storage") || cmd.Flags().Changed(configKey) {
			return nil, errOneStore
		}
		return findStore(cmd.Context(), f.state)
	}
	c, err := loadConfig(cmd, nil, coordinatorSettings)
	if err != nil {
		return nil, err
	}
	if c.text("storage") == "" {
		return nil, errOneStore
	}
	return c.openStore(cmd.Context())
}

var errOneStore = usageError(errors.New("want one of --state DIR, --storage DIR or s3://BUCKET/PREFIX, and --config FILE with its storage"))

// findStore looks where `coordinator init` and `demo` put a storage, or what says where it
// is.
func findStore(ctx context.Context, dir string) (location.Bucket, error) {
	b, err := local.Open(dir)
	if !errors.Is(err, local.ErrNoBucket) {
		return b, err
	}
	for _, below := range []string{"", "coordinator", "federation/coordinator"} {
		folder := filepath.Join(dir, filepath.FromSlash(below))
		if b, there, err := openFolder(ctx, folder); there || err != nil {
			return b, err
		}
		b, err := local.Open(filepath.Join(folder, "state"))
		if !errors.Is(err, local.ErrNoBucket) {
			return b, err
		}
	}
	return nil, fmt.Errorf("state %s: no storage of a coordinator in it", dir)
}

// watch shows how far a walk through the log is.
func watch(o *output, doing string) func(done, total int64) {
	return func(done, total int64) { o.progress(fmt.Sprintf("%s: %d of %d entries", doing, done, total)) }
}

func newVerifyCommand() *cobra.Command {
	var f auditFlags
	return auditCommand("verify --state DIR --charter-digest DIGEST --checkpoint FILE...", "Check every object of the log",
		`Checks every batch, signature, tile, checkpoint, cosignature, message, ciphertext and
snapshot of a federation, and names the first object that is wrong. Nobody's word is
taken but that of the hospitals.`+anchorHelp,
		`  atrium audit verify --state fed --charter-digest 3f7a... --checkpoint a.checkpoint b.checkpoint
  atrium audit verify --storage fed/coordinator/state --charter-digest 3f7a... --checkpoint kept/*
  ATRIUM_S3_ENDPOINT=https://minio.example.org:9000 atrium audit verify --storage s3://atrium/fed`, &f,
		func(cmd *cobra.Command, b location.Bucket, options audit.Options) error {
			o := newOutput(cmd)
			options.Progress = watch(o, "verify")
			r, err := audit.Verify(cmd.Context(), b, options)
			o.progressEnds()
			if err != nil {
				return err
			}
			if err := location.CheckVersions(cmd.Context(), b); err != nil {
				return err
			}
			checked := fmt.Sprintf("%d rounds, %d versions, log size %d, root %s", r.Done, r.Version, r.Entries, r.Root)
			return f.verdict(o, r.Log, r.Text(), checked, r)
		})
}

func newReplayCommand() *cobra.Command {
	var f auditFlags
	return auditCommand("replay --state DIR --charter-digest DIGEST --checkpoint FILE...", "Derive every version of the model again and compare bytes",
		`Opens every sum again from the ciphertexts and the custodians' share sums, applies the
rule, and compares the bytes of each version with those that were published. It
checks all that the derivation needs; "atrium audit verify" checks the rest.`+anchorHelp,
		`  atrium audit replay --state fed --charter-digest 3f7a... --checkpoint a.checkpoint b.checkpoint`, &f,
		func(cmd *cobra.Command, b location.Bucket, options audit.Options) error {
			o := newOutput(cmd)
			options.Progress = watch(o, "replay")
			r, err := audit.Replay(cmd.Context(), b, options)
			o.progressEnds()
			if err != nil {
				return err
			}
			if err := missing(r); err != nil {
				if f.json {
					return errors.Join(o.json(r), err)
				}
				o.lines(r.Text())
				return err
			}
			return f.verdict(o, r.Log, r.Text(), rederived(r), r)
		})
}

// rederived says what a replay compared.
func rederived(r audit.ReplayReport) string {
	derived, scores := r.Count(audit.Rederived)
	text := fmt.Sprintf("%d versions and %d evaluations re-derived bit for bit", derived, scores)
	if attested, scored := r.Count(audit.SumAttested); attested+scored > 0 {
		text += fmt.Sprintf(", %d and %d from attested sums of rounds that expired", attested, scored)
	}
	return text
}

// missing is why a replay is no success: something could not be derived.
func missing(r audit.ReplayReport) error {
	versions, scores := r.Count(audit.Missing)
	if versions+scores == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d versions and %d of %d evaluations are missing: ciphertexts are gone that did not expire, or their sums are",
		versions, len(r.Versions), scores, len(r.Evaluations))
}

func newShowCommand() *cobra.Command {
	var f auditFlags
	var number uint64
	cmd := auditCommand("show --state DIR [--round N]", "Say in words what happened",
		`Tells what the log says: every round in a line, or all about one round. It verifies the
batches on its way, and that they fit --charter-digest and --checkpoint, but not what they
name, and gives no verdict; "atrium audit verify" does.`,
		`  atrium audit show --state fed
  atrium audit show --state fed --round 7`, &f,
		func(cmd *cobra.Command, b location.Bucket, options audit.Options) error {
			return show(cmd.Context(), newOutput(cmd), b, number, options, f.json)
		})
	cmd.Flags().Uint64Var(&number, "round", 0, "`number` of one round (default all)")
	return cmd
}

func show(ctx context.Context, o *output, b location.Bucket, number uint64, options audit.Options, asJSON bool) error {
	options.Progress = watch(o, "show")
	h, err := audit.Show(ctx, b, number, options)
	o.progressEnds()
	if err != nil {
		return err
	}
	if asJSON {
		return o.json(h)
	}
	o.lines(h.Text())
	return nil
}
