package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"atrium/client/evidence"
	"atrium/coordinator/federation"
	"atrium/coordinator/setup"
)

// evidenceFlags is what the flags of audit evidence say.
type evidenceFlags struct {
	charter string
	digest  string
	json    bool
}

// evidenceShown is what one file shows.
type evidenceShown struct {
	File string `json:"file"`
	evidence.Finding
}

// evidenceReport is what --json prints.
type evidenceReport struct {
	Anchored bool            `json:"anchored"` // to a charter digest that was given
	Files    []evidenceShown `json:"files"`
	Wrong    []string        `json:"wrong,omitempty"` // files that do not hold, each with why
}

func newEvidenceCommand() *cobra.Command {
	var f evidenceFlags
	cmd := &cobra.Command{Use: "evidence --charter FILE --charter-digest DIGEST FILE...", Short: "Check what custodians kept of entries that do not follow",
		Long: `Checks files that custodians keep (evidence/ in the state directory of their daemon)
of something in the log that does not follow, against the charter of their epoch and
nothing else: that the log's key signed a checkpoint with the entry in it, what the entry
names down to the header of its round, and that the custodian signed what follows instead.
Then it says in words what a file shows, and what it does not.

A file that does not hold is named with the field that is wrong, behind those that do. The
digest of the charter, which a hospital's people approved (atrium hospital status), is what
holds all of it to the outside: without it charter and files may both be made up.

Exit status: 0 all files hold, 1 one does not or cannot be read, 2 wrong usage, 3 all hold
under a charter that nothing from outside vouches for.`,
		Example: `  atrium audit evidence --charter a/charter.json --charter-digest 3f7a... a/state/evidence/*`,
		RunE:    func(cmd *cobra.Command, files []string) error { return f.run(newOutput(cmd), files) }}
	cmd.Flags().StringVar(&f.charter, "charter", "", "`file` of the charter of the epoch, as a hospital or the coordinator has it")
	cmd.Flags().StringVar(&f.digest, "charter-digest", "", "`digest` of the charter that you trust, 64 hexadecimal digits")
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object")
	return cmd
}

func (f *evidenceFlags) run(o *output, files []string) error {
	if len(files) == 0 {
		return usageError(errors.New("want the files of evidence"))
	}
	charter, err := f.trusted()
	if err != nil {
		return err
	}
	report, wrong := evidenceReport{Anchored: f.digest != "", Files: []evidenceShown{}}, error(nil)
	for _, file := range files {
		found, err := checkEvidence(file, charter)
		if err != nil {
			wrong = errors.Join(wrong, err)
			report.Wrong = append(report.Wrong, err.Error())
			continue
		}
		report.Files = append(report.Files, evidenceShown{file, found})
		if !f.json {
			o.line("%s:", file)
			o.lines(found.Text())
		}
	}
	if f.json {
		if err := o.json(report); err != nil {
			return err
		}
	}
	if wrong == nil && !report.Anchored {
		return errUnanchored{"the digest of the charter that hospitals approved"}
	}
	return wrong
}

// trusted reads the charter, which must be the one whose digest was given.
func (f *evidenceFlags) trusted() (federation.Charter, error) {
	if f.charter == "" {
		return federation.Charter{}, usageError(errors.New("want --charter FILE, the charter of the epoch that the evidence is of"))
	}
	charter, err := setup.LoadCharter(f.charter)
	if err != nil || f.digest == "" {
		return charter, err
	}
	want, err := federation.ParseDigest(f.digest)
	if err != nil {
		return charter, usageError(fmt.Errorf("--charter-digest: %w", err))
	}
	if have := charter.Digest(); have != want {
		return charter, fmt.Errorf("%s: charter %s, not %s", f.charter, have, want)
	}
	return charter, nil
}

func checkEvidence(file string, charter federation.Charter) (evidence.Finding, error) {
	b, err := readAtMost(file, evidence.MaxFileBytes)
	if err != nil {
		return evidence.Finding{}, err // it names the file
	}
	f, err := evidence.Decode(b)
	if err != nil {
		return evidence.Finding{}, fmt.Errorf("%s: not a file of evidence as a custodian keeps it, or damaged", file)
	}
	found, err := evidence.Check(f, charter)
	if err != nil {
		return found, fmt.Errorf("%s: %w", file, err)
	}
	return found, nil
}
