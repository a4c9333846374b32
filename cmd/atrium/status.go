package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/coordinator/setup"
)

func newCoordinatorStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [FOLDER]",
		Short: "Say where federations stand, from their storage",
		Long: `Reads the log in the storage directory and verifies it by the charter's key. It needs
no key of its own and no running coordinator, and may run beside one.

FOLDER is the folder of an atrium.yaml and stands for --config; --storage alone is
enough, but then nothing but the log itself says which charter it follows.`,
		Example: `  atrium coordinator status fed/coordinator
  atrium coordinator status --storage fed/coordinator/state --json`,
		Args: oneFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, args, coordinatorSettings)
			if err != nil {
				return err
			}
			all, err := c.federations(servedTogether...)
			if err != nil {
				return err
			}
			if len(all) > 1 || all[0].folder != "" {
				return inspectAll(cmd, all, asJSON)
			}
			if err := c.require("storage"); err != nil {
				return err
			}
			i, err := inspect(cmd, c)
			if err != nil {
				return err
			}
			if asJSON {
				return newOutput(cmd).json(i)
			}
			newOutput(cmd).inspection(i)
			return nil
		},
	}
	addSettings(cmd, coordinatorSettings, "storage", "charter")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// inspected is what `coordinator status --json` prints of one federation of several.
type inspected struct {
	Folder string                  `json:"folder"`
	Error  string                  `json:"error,omitempty"` // why there is no status
	Status *coordinator.Inspection `json:"status,omitempty"`
}

// inspectAll prints where each federation stands. What is wrong with one is said in its
// place, and in the exit status.
func inspectAll(cmd *cobra.Command, all []folderConfig, asJSON bool) error {
	var list []inspected
	var errs []error
	for _, one := range all {
		i, err := inspect(cmd, one.config)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", one.folder, err))
			list = append(list, inspected{Folder: one.folder, Error: err.Error()})
			continue
		}
		list = append(list, inspected{Folder: one.folder, Status: &i})
	}
	out := newOutput(cmd)
	if asJSON {
		return errors.Join(append(errs, out.json(list))...)
	}
	for i, one := range list {
		if i > 0 {
			out.line("")
		}
		if one.Status == nil {
			out.pairs([][2]string{{"folder", one.Folder}, {"error", one.Error}})
			continue
		}
		out.inspection(*one.Status)
	}
	return errors.Join(errs...)
}

func inspect(cmd *cobra.Command, c config) (coordinator.Inspection, error) {
	var pinned federation.Digest
	if file := c.text("charter"); file != "" {
		charter, err := setup.LoadCharter(file)
		if err != nil {
			return coordinator.Inspection{}, err
		}
		pinned = charter.Digest()
	}
	bucket, err := c.openStore(cmd.Context())
	if err != nil {
		return coordinator.Inspection{}, err
	}
	defer bucket.Close()
	i, err := coordinator.Inspect(cmd.Context(), bucket, pinned)
	if err != nil {
		return i, fmt.Errorf("storage %s: %w", c.text("storage"), err)
	}
	return i, nil
}

// inspection prints where a federation stands.
func (o *output) inspection(i coordinator.Inspection) {
	pairs := [][2]string{
		{"federation", i.Federation},
		{"charter", fmt.Sprintf("%s, charter epoch %d", i.Charter, i.Epoch)},
		{"summed", i.Summed},
		{"plan", fmt.Sprintf("%s %s", i.Plan, i.PlanDigest.Short())},
		{"trained", fmt.Sprintf("%d of %d rounds", i.Trained, i.Rounds)},
		{"stop rule", scoredText(i)},
		{"evaluations skipped", skippedText(i.Skipped)},
		{"finished", i.Finished},
		{"by month", i.Months},
		{"round", roundText(i)},
		{"waiting for", i.Waiting},
		{"what to do", i.Advice},
	}
	pairs = append(pairs, progressPairs(i)...)
	o.pairs(append(pairs, [][2]string{
		{"masked", strings.Join(i.Masked, "; ")},
		{"version", versionText(i)},
		{"derived", derivedText(i)},
		{"last trained", trainText(i.Train)},
		{"log", fmt.Sprintf("size %d, root %s", i.LogSize, i.LogRoot)},
		{"leader", leaderText(i.Lease, time.Now())},
		{"last entry", fmt.Sprintf("%s, number %d", i.LastEntry, i.Entries-1)},
	}...))
	o.warnings(i.Warnings)
	if i.Phase.Running() {
		o.hospitals(i.Hospitals)
	}
	for _, a := range i.Abandonments {
		o.line("abandoned round %d (%s) at %s: %s", a.Round, a.Kind, a.Time, a.Reason)
	}
}

// leaderText says who leads; the age of its lease is by two clocks, and no more than a hint.
func leaderText(l *coordinator.Lease, now time.Time) string {
	switch {
	case l == nil:
		return "none yet"
	case l.Released:
		return fmt.Sprintf("none, %s gave it up at %s", l.Holder, l.Time)
	}
	at := strings.Join(l.Addresses, " or ")
	return fmt.Sprintf("%s (%s), term %d; lease of %ds renewed %s", at, l.Holder, l.Epoch, l.Milliseconds/1000, since(l.Time, now))
}

// scoredText says how near the stop rule is.
func scoredText(i coordinator.Inspection) string {
	switch {
	case i.Scored == nil:
		return ""
	case i.Scored.Count == 0:
		return i.Metric + ", not evaluated yet"
	}
	return fmt.Sprintf("%s %.4f, the best %.4f of version %d, not raised for %d", i.Metric, i.Scored.Last, i.Scored.Best, i.Scored.Version, i.Scored.Waited)
}

func roundText(i coordinator.Inspection) string {
	if i.Phase == round.None {
		return "none yet"
	}
	return fmt.Sprintf("%d, %s, %s; %d done", i.Round, kindText(i), i.Phase, i.Done)
}

func kindText(i coordinator.Inspection) string {
	if i.Month == "" {
		return string(i.Kind)
	}
	return fmt.Sprintf("%s by month %s", i.Kind, i.Month)
}

func trainText(t *coordinator.LastTrain) string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf("round %d, weight %g, %s", t.Round, t.Weight, t.ClippedText())
}

func versionText(i coordinator.Inspection) string {
	switch {
	case i.Newest == 0:
		return "none yet"
	case i.Version == 0:
		return fmt.Sprintf("%d is the newest; the plan begins anew, and has none of its own yet", i.Newest)
	case i.Version < i.Newest:
		return fmt.Sprintf("%d is the newest; the plan starts from version %d, snapshot %s, and has none of its own yet", i.Newest, i.Version, i.Snapshot)
	}
	return fmt.Sprintf("%d, snapshot %s", i.Version, i.Snapshot)
}

// hospitals prints each one's part in the round under way.
func (o *output) hospitals(list []coordinator.InspectedHospital) {
	rows := [][]string{{"hospital", "name", "part", "says"}}
	for _, h := range list {
		parts := []string{"has not joined"}
		if h.Joined {
			parts[0] = "joined"
		}
		if h.Asked {
			parts = append(parts, "asked")
		}
		if h.Submitted {
			parts = append(parts, "submitted")
		}
		if h.Custodian {
			parts = append(parts, "custodian")
		}
		rows = append(rows, []string{string(h.ID), h.Name, strings.Join(parts, ", "), capabilityText(h.Capability)})
	}
	o.table(rows)
}

// capabilityText is what a hospital said about itself when it last joined.
func capabilityText(c federation.Capability) string {
	var list []string
	if c.TrainSeconds > 0 {
		list = append(list, fmt.Sprintf("trains in %ds or less", c.TrainSeconds))
	}
	if c.UploadKiB > 0 {
		list = append(list, fmt.Sprintf("sends %d KiB/s", c.UploadKiB))
	}
	if c.MemoryMiB > 0 {
		list = append(list, fmt.Sprintf("has %d MiB", c.MemoryMiB))
	}
	return strings.Join(list, ", ")
}
