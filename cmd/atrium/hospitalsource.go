package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"atrium/client"
	"atrium/coordinator/setup"
)

func newHospitalSourceCommand() *cobra.Command {
	return group("source", "What a hospital's records answered, in which federation", newSourceShowCommand(), newSourceAllowCommand())
}

// sourceKeys are the settings from which the memory of records follows.
var sourceKeys = []string{"charter", "state", "data.train", "data.test", "data.source"}

func newSourceShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [FOLDER]",
		Short: "List what was answered from these records, in which federation",
		Long: `Reads the memory of the records that data.train and data.test name, which all federations
over them share: in the folder .atrium-source beside them, or in data.source. The daemon
may run. It asks nobody else.

FOLDER is the folder of an atrium.yaml and stands for --config.`,
		Example: `  atrium hospital source show fed/hospitals/a`,
		Args:    oneFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			source, err := openSource(cmd, args)
			if err != nil {
				return err
			}
			v, err := source.View()
			if err != nil {
				return err
			}
			o := newOutput(cmd)
			if asJSON {
				return o.json(v)
			}
			o.source(v)
			return nil
		},
	}
	addSettings(cmd, hospitalSettings, sourceKeys...)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func newSourceAllowCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "allow FEDERATION [FOLDER]",
		Short: "Let this federation have what another one got from the same records",
		Long: `A daemon declines what the same records answered in another federation: two sums over
hospitals that are not the same give away whoever is in one of them only. This says in
words who that is, asks, and writes down the word of the records' owner, with user and
time. It holds for both federations under their present charters, and wants to be given
anew when one has another. The daemons may run; the next round counts.

FEDERATION is the other one's name, or 8 or more digits of its charter's digest, as
"atrium hospital source show" prints them; or its charter file, to give the word before
anything was answered there. FOLDER is the folder of an atrium.yaml and
stands for --config.`,
		Example: `  atrium hospital source allow oncology fed/hospitals/a
  atrium hospital source allow other/hospitals/a/charter.json fed/hospitals/a`,
		Args: termsAndFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			source, err := openSource(cmd, args[1:])
			if err != nil {
				return err
			}
			return allowSource(cmd, source, args[0], yes)
		},
	}
	addSettings(cmd, hospitalSettings, sourceKeys...)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func openSource(cmd *cobra.Command, args []string) (*client.Source, error) {
	c, err := loadConfig(cmd, args, hospitalSettings)
	if err != nil {
		return nil, err
	}
	if len(c.items(federationsKey)) > 0 {
		return nil, usageError(errors.New("several federations: give the folder of one of them"))
	}
	if err := c.require("charter", "state", "data.train", "data.test"); err != nil {
		return nil, err
	}
	if err := c.guard(); err != nil {
		return nil, err
	}
	charter, err := setup.LoadCharter(c.text("charter"))
	if err != nil {
		return nil, err
	}
	return client.OpenSource(client.SourceConfig{Train: c.text("data.train"), Test: c.text("data.test"), Folder: c.text("data.source"),
		State: c.text("state"), Charter: charter})
}

func allowSource(cmd *cobra.Command, source *client.Source, name string, yes bool) error {
	others, err := otherFederations(source, name)
	if err != nil {
		return err
	}
	o := newOutput(cmd)
	for _, other := range others {
		words, err := source.Words(other)
		if err != nil {
			return err
		}
		o.lines(words)
	}
	if !yes && !o.asked(cmd, "Type yes to allow it:") {
		return errors.New("not allowed: nothing was written")
	}
	who, err := user.Current()
	if err != nil {
		return fmt.Errorf("who gives the word: %w", err)
	}
	for _, other := range others {
		if err := source.Allow(other, who.Username); err != nil {
			return err
		}
	}
	o.line("allowed: the word of %s is beside the records", who.Username)
	return nil
}

// otherFederations are those that a name, a digest or a charter file means.
func otherFederations(source *client.Source, name string) ([]client.SourceOther, error) {
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
		charter, err := setup.LoadCharter(name)
		if err != nil {
			return nil, err
		}
		other, err := source.Expected(charter)
		return []client.SourceOther{other}, err
	}
	v, err := source.View()
	if err != nil {
		return nil, err
	}
	return v.Named(name)
}

// source prints what records answered.
func (o *output) source(v client.SourceView) {
	o.pairs([][2]string{{"memory", strings.Join(v.Folders, ", ")}, {"answered here", strings.Join(v.Things, ", ")}})
	for _, other := range v.Others {
		o.line("")
		var charters []string
		for _, c := range other.Charters {
			charters = append(charters, c.String())
		}
		o.pairs([][2]string{{"federation", other.Federation}, {"charter", strings.Join(charters, ", ")}, {"since", other.Since},
			{"answered there", strings.Join(other.Things, ", ")}, {"word", sourceWordText(other)}})
	}
}

// sourceWordText says who allowed both federations the same, and when.
func sourceWordText(o client.SourceOther) string {
	if o.Word == nil {
		return "none: what it answered is declined here"
	}
	return fmt.Sprintf("of %s, %s", o.Word.By, o.Word.At)
}
