package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"atrium/client"
	"atrium/coordinator/federation"
)

func newHospitalStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [FOLDER]",
		Short: "Say what a hospital's daemon does and how good the model is here",
		Long: `Reads what the daemon wrote in its state directory; it asks nobody else.

FOLDER is the folder of an atrium.yaml and stands for --config.`,
		Example: `  atrium hospital status fed/hospitals/a
  atrium hospital status --state /var/lib/atrium --json`,
		Args: oneFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, args, hospitalSettings)
			if err != nil {
				return err
			}
			all, err := c.federations()
			if err != nil {
				return err
			}
			var list []hospitalStatus
			for _, one := range all {
				if err := one.require("state"); err != nil {
					return err
				}
				s, err := readHospital(one.text("state"))
				if err != nil {
					return err
				}
				list = append(list, s)
			}
			return newOutput(cmd).parts(list, all[0].folder != "", asJSON)
		},
	}
	addSettings(cmd, hospitalSettings, "state")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// hospitalStatus is what a state directory says; a part is null when the daemon has not
// written it yet.
type hospitalStatus struct {
	State      string          `json:"state"`
	Running    bool            `json:"running"`
	Frozen     string          `json:"frozen,omitempty"` // why it does nothing until it is recovered
	Daemon     *client.Status  `json:"daemon"`
	Checkpoint *keptCheckpoint `json:"checkpoint"`
	Report     *client.Report  `json:"report"`

	Source *client.SourceView `json:"source"` // what the records answered, in all federations
}

// keptCheckpoint is the largest part of the log that the daemon verified.
type keptCheckpoint struct {
	Size     int64             `json:"size"` // entries
	Root     federation.Digest `json:"root"`
	Cosigned string            `json:"cosigned"` // RFC 3339, UTC
}

func readHospital(state string) (hospitalStatus, error) {
	out := hospitalStatus{State: state}
	if _, err := os.Stat(state); err != nil {
		return out, fmt.Errorf("state: %w", err)
	}
	var err error
	if out.Frozen, err = client.Frozen(state); err != nil {
		return out, err
	}
	status, err := client.ReadStatus(state)
	if err == nil {
		out.Daemon = &status
	} else if !errors.Is(err, fs.ErrNotExist) {
		return out, err
	}
	if k, err := client.ReadCheckpoint(state); err == nil && len(k.Cosignatures) > 0 { // a copy; a damaged one is no trouble of the daemon's
		out.Checkpoint = &keptCheckpoint{k.Size, federation.Digest(k.Root), k.Cosignatures[0].Time.Format(time.RFC3339)}
	}
	report, err := client.ReadReport(state)
	if err == nil {
		out.Report = &report
	} else if !errors.Is(err, fs.ErrNotExist) {
		return out, err
	}
	source, err := client.ReadSource(state)
	if err == nil {
		out.Source = &source
	} else if !errors.Is(err, fs.ErrNotExist) {
		return out, err
	}
	out.Running, err = locked(filepath.Join(state, "journal"))
	return out, err
}

// locked reports whether a daemon holds its journal. A daemon that starts in the same
// instant would take this look for another daemon.
func locked(journal string) (bool, error) {
	f, err := os.Open(journal)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close() // and with it the lock
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	return errors.Is(err, syscall.EWOULDBLOCK), nil
}

// parts prints a hospital's status, or one after another where there may be several.
func (o *output) parts(list []hospitalStatus, several, asJSON bool) error {
	switch {
	case asJSON && several:
		return o.json(list)
	case asJSON:
		return o.json(list[0])
	}
	for i, s := range list {
		if i > 0 {
			o.line("")
		}
		o.hospital(s, time.Now())
	}
	return nil
}

// hospital prints a hospital's status.
func (o *output) hospital(s hospitalStatus, now time.Time) {
	running := "not running"
	if s.Running {
		running = "running"
	}
	frozen := ""
	if s.Frozen != "" {
		frozen = s.Frozen + "; end any second daemon, then: atrium hospital recover FOLDER"
	}
	if s.Daemon == nil {
		o.pairs([][2]string{{"daemon", running + ", it has written no status yet"}, {"frozen", frozen}, {"state", s.State}})
		return
	}
	d := s.Daemon
	o.pairs([][2]string{
		{"hospital", d.Hospital},
		{"pseudonym", d.Pseudonym},
		{"federation", d.Federation},
		{"charter", fmt.Sprintf("%s, charter epoch %d", d.Charter, d.Epoch)},
		{"daemon", running},
		{"frozen", frozen},
		{"removed", d.Removed},
		{"doing", doingWords(s, now)},
		{"connected", connectedWords(s, now)},
		{"last error", d.LastError},
		{"refused", d.Refused},
		{"summed", summedWords(*d)},
		{"weight", weightWords(*d)},
		{"sent", fmt.Sprintf("%d bytes", d.BytesSent)},
		{"checkpoint", checkpointText(s.Checkpoint, now)},
	})
	if s.Source != nil {
		for _, other := range s.Source.Others {
			o.pairs([][2]string{{"same records", fmt.Sprintf("in federation %s too; word: %s", other.Federation, sourceWordText(other))}})
		}
	}
	if r := s.Report; r != nil {
		o.line("")
		o.pairs([][2]string{
			{"version", fmt.Sprintf("%d (%s)", r.Version, r.Reason)},
			{"records", fmt.Sprintf("%d to train, %d to test, in %d rounds", r.Rows, r.TestRows, r.Rounds)},
			{"AUC here", fmt.Sprintf("%s, alone %s", score(r.AUC), score(r.AUCAlone))},
			{"accuracy here", fmt.Sprintf("%.3f, alone %.3f", r.Accuracy, r.AccuracyAlone)},
		})
		if r.AccuracyTuned != nil {
			o.pairs([][2]string{{"fine-tuned", fmt.Sprintf("AUC %s, accuracy %.3f: %s", score(r.AUCTuned), *r.AccuracyTuned, client.TunedFile)}})
		}
	}
}

// doings are a daemon's tasks as people call them.
var doings = map[string]string{"join": "joining", "update": "computing and sending its update", "ready": "checking the candidate",
	"vouch": "vouching for its ciphertext", "send": "sending its share sum", "burn": "promising that it sent nothing",
	"derive": "deriving a version", "adopt": "scoring the last version here", "charter": "going over to the next charter"}

// doingWords says what a daemon does, or did when it ended.
func doingWords(s hospitalStatus, now time.Time) string {
	d := s.Daemon
	text, ok := doings[d.Doing]
	if !ok {
		text = d.Doing
	}
	if d.Round > 0 {
		text += fmt.Sprintf(", round %d", d.Round)
	}
	if !s.Running {
		return "nothing; when it ended: " + text
	}
	return fmt.Sprintf("%s, since %s", text, since(d.Since, now))
}

// connectedWords says whether a daemon has a connection, and when the coordinator was heard of.
func connectedWords(s hospitalStatus, now time.Time) string {
	text := "no"
	if s.Running && s.Daemon.Connected {
		text = "yes"
	}
	if s.Daemon.Heard != "" {
		text += ", last heard of the coordinator " + since(s.Daemon.Heard, now)
	}
	return text
}

// checkpointText says up to where this hospital holds the coordinator to the log.
func checkpointText(c *keptCheckpoint, now time.Time) string {
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%d entries, root %s, cosigned %s", c.Size, c.Root, since(c.Cosigned, now))
}

// summedWords says how often the hospital was in the sum of a round that it joined in time.
func summedWords(s client.Status) string {
	if s.Joined == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d rounds that it joined in time, left out of %d", s.Joined-s.LeftOut, s.Joined, s.LeftOut)
}

func weightWords(s client.Status) string {
	if s.ShareRound == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f %% of round %d's", 100*s.Share, s.ShareRound)
}

func since(stamp string, now time.Time) string {
	t, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		return stamp
	}
	return fmt.Sprintf("%s (%s ago)", stamp, max(0, now.Sub(t)).Round(time.Second))
}

// score prints an AUC, which a single class does not have.
func score(auc *float64) string {
	if auc == nil {
		return "–"
	}
	return fmt.Sprintf("%.3f", *auc)
}
