package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/setup"
	"atrium/privacy/envelope"
	"atrium/storage/roundlog"
)

func newCharterCommand() *cobra.Command {
	cmd := group("charter", "Go over to another charter: other hospitals, custodians or log key", newProposeCommand(), newInstallCommand())
	cmd.Long = `A federation goes over to another charter in three steps, by files that people hand on:

  atrium coordinator charter propose   writes the terms of the next charter
  atrium hospital charter approve      at each hospital: a person reads what changes, and
                                       the hospital signs; a custodian closes the epoch
  atrium coordinator charter install   puts it all together and into the log

Every hospital of the next charter must approve it, and m-t+f+1 custodians of the epoch
that ends must have closed it. Versions and their numbers go on.`
	return cmd
}

// proposeFlags is what the flags of `coordinator charter propose` say.
type proposeFlags struct {
	add, remove, custodians []string
	authority, address      string
	numbers                 numberFlags
	groups                  int
	newLogKey               bool
	retention               federation.Retention
	out                     string
}

func newProposeCommand() *cobra.Command {
	var f proposeFlags
	cmd := &cobra.Command{
		Use:   "propose [FOLDER]",
		Short: "Write the terms of the next charter",
		Long: `Writes the terms of the charter that is to follow the one in force, and says in words
what they change. Hospitals are named as in the charter, or by pseudonym.

With --new-log-key another key for the log is drawn, into a file beside the old one: for
a key that is lost, known to others, or old. The log goes on; what the old key signs from
then on is worth nothing.

What custodians sent for stays answered under the next charter. It is asked again when
every hospital of that charter releases it, by lines in its policy.yaml that status says.`,
		Example: `  atrium coordinator charter propose fed/coordinator --remove d,e
  atrium coordinator charter propose fed/coordinator --add f --remove e
  atrium coordinator charter propose fed/coordinator --new-log-key`,
		Args: oneFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, args, coordinatorSettings)
			if err != nil {
				return err
			}
			return f.run(cmd, c)
		},
	}
	addSettings(cmd, coordinatorSettings, "charter", "storage", "log_key", "plan", "listen")
	flags := cmd.Flags()
	flags.StringSliceVar(&f.add, "add", nil, "`names` of hospitals that join: keys are drawn and a folder is made for each")
	flags.StringVar(&f.authority, "authority", "", "`folder` of ca.crt and ca.key, with hospitals/NAME beside them for --add (default the one that holds the coordinator's)")
	flags.StringVar(&f.address, "address", "", "`host:port` at which hospitals that join reach the coordinator (default that of listen)")
	flags.StringSliceVar(&f.remove, "remove", nil, "`hospitals` that leave, with commas between")
	flags.StringSliceVar(&f.custodians, "custodians", nil, "`hospitals` that are custodians (default every one, up to 21)")
	f.numbers.add(flags)
	flags.IntVar(&f.groups, "groups", 0, "`number` of groups to cut the hospitals into anew (default keeps the groups)")
	addRetentionFlags(flags, &f.retention)
	flags.BoolVar(&f.newLogKey, "new-log-key", false, "draw another key for the log")
	flags.StringVar(&f.out, "out", "", "`file` to write (default charter-EPOCH.terms.json beside the charter)")
	return cmd
}

func (f proposeFlags) run(cmd *cobra.Command, c config) error {
	if err := c.require("charter"); err != nil {
		return err
	}
	if err := c.guard(); err != nil {
		return err
	}
	before, err := setup.LoadCharter(c.text("charter"))
	if err != nil {
		return err
	}
	change := federation.Change{Numbers: f.numbers.chosen(cmd.Flags()), Groups: f.groups}
	if cmd.Flags().Changed(retainRounds) || cmd.Flags().Changed(retainDays) {
		change.Retention = &f.retention
	}
	for _, list := range []struct {
		names []string
		to    *[]federation.HospitalID
	}{{f.remove, &change.Remove}, {f.custodians, &change.Custodians}} {
		if *list.to, err = resolve(before, list.names); err != nil {
			return err
		}
	}
	if change.Add, err = f.enrol(c, before); err != nil {
		return err
	}
	keyFile := ""
	if f.newLogKey {
		if keyFile, change.LogKey, err = newLogKey(c, before); err != nil {
			return err
		}
	}
	terms, err := before.Next(change)
	if err != nil {
		return err
	}
	if nothing, err := before.Next(federation.Change{}); err == nil && nothing.Digest() == terms.Digest() {
		return usageError(errors.New("nothing changes: name what the next charter is to change"))
	}
	out := f.out
	if out == "" {
		out = termsFile(c, before.Epoch+1)
	}
	if err := setup.WriteNew(out, federation.Encode(terms)); err != nil {
		return err
	}
	newOutput(cmd).proposed(before, terms, out, keyFile)
	return nil
}

// enrol makes the folders of hospitals that join.
func (f proposeFlags) enrol(c config, before federation.Charter) ([]federation.Member, error) {
	if len(f.add) == 0 {
		return nil, nil
	}
	if err := c.require("plan"); err != nil {
		return nil, err
	}
	plan, err := setup.LoadPlan(c.text("plan"))
	if err != nil {
		return nil, err
	}
	o := setup.Options{Authority: f.authority, Address: f.address, Plan: plan}
	if o.Authority == "" {
		o.Authority = filepath.Dir(filepath.Dir(c.text("charter")))
	}
	if o.Address == "" {
		o.Address = c.text("listen")
	}
	o.Dir = filepath.Join(o.Authority, "hospitals")
	var members []federation.Member
	for _, name := range f.add {
		m, err := setup.Enrol(o, before, name)
		if err != nil {
			return nil, fmt.Errorf("add %s: %w", name, err)
		}
		members = append(members, m)
	}
	return members, nil
}

func termsFile(c config, epoch uint64) string {
	return filepath.Join(filepath.Dir(c.text("charter")), fmt.Sprintf("charter-%d.terms.json", epoch))
}

func keyFile(c config, epoch uint64) string {
	return filepath.Join(filepath.Dir(c.text("log_key")), fmt.Sprintf("log-epoch%d.key", epoch))
}

// newLogKey draws the key of the next epoch, or takes up the one that was drawn before.
func newLogKey(c config, before federation.Charter) (file, verifier string, err error) {
	if err := c.require("log_key"); err != nil {
		return "", "", err
	}
	file = keyFile(c, before.Epoch+1)
	if key, err := setup.LoadLogKey(file); err == nil {
		return file, key.Verifier(), nil
	}
	key, err := setup.NewLogKey(file, before.LogKey)
	if err != nil {
		return "", "", err
	}
	return file, key.Verifier(), nil
}

// resolve finds members by name or pseudonym.
func resolve(c federation.Charter, names []string) ([]federation.HospitalID, error) {
	var ids []federation.HospitalID
	for _, name := range names {
		i := slices.IndexFunc(c.Members, func(m federation.Member) bool {
			return name != "" && (m.Name == name || string(m.ID) == name)
		})
		if i < 0 {
			return nil, usageError(fmt.Errorf("hospital %q is not in the charter of epoch %d", name, c.Epoch))
		}
		ids = append(ids, c.Members[i].ID)
	}
	return ids, nil
}

// proposed prints what the terms change and what to do with them.
func (o *output) proposed(before, terms federation.Charter, file, keyFile string) {
	o.lines(before.Changes(terms))
	o.warnings(terms.Warnings())
	lines := []string{"", "wrote " + file + ", terms " + terms.Digest().String()}
	if keyFile != "" {
		lines = append(lines, "wrote "+keyFile+", the log's next key: secret, keep a copy where the log is not")
	}
	o.lines(append(lines, "next:",
		"  # give the terms to every hospital; there, with the daemon ended:",
		"  atrium hospital charter approve "+filepath.Base(file)+" FOLDER",
		"  # its daemon may be started again. With the consents of all, and the coordinator ended:",
		"  atrium coordinator charter install --config "+filepath.Dir(file)+" CONSENT...",
		fmt.Sprintf("  # needed are all %d hospitals of the terms, among the consents %d custodians of epoch %d",
			len(terms.Members), before.BurnQuorum(), before.Epoch)))
}

func newInstallCommand() *cobra.Command {
	var terms string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "install --config FOLDER CONSENT...",
		Short: "Begin the next epoch with the hospitals' consents",
		Long: `Puts the terms and the consents of the hospitals together, verifies everything, and
commits the charter to the log, signed by the log key that it names. The files charter,
countersignatures and log key are replaced; the old ones stay beside them. End the
coordinator before, and start it again afterwards.

It may be repeated when it was interrupted.`,
		Example: `  atrium coordinator charter install --config fed/coordinator consents/*.json`,
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, nil, coordinatorSettings)
			if err != nil {
				return err
			}
			return install(cmd, c, terms, args, asJSON)
		},
	}
	addSettings(cmd, coordinatorSettings, "charter", "countersignatures", "storage", "log_key")
	cmd.Flags().StringVar(&terms, "terms", "", "`file` of the terms (default charter-EPOCH.terms.json beside the charter)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, with what stays answered")
	return cmd
}

func install(cmd *cobra.Command, c config, termsName string, files []string, asJSON bool) error {
	if err := c.require("charter", "countersignatures", "storage", "log_key"); err != nil {
		return err
	}
	if err := c.guard(); err != nil {
		return err
	}
	before, err := setup.LoadCharter(c.text("charter"))
	if err != nil {
		return err
	}
	if termsName == "" {
		termsName = termsFile(c, before.Epoch+1)
	}
	terms, err := setup.LoadTerms(termsName)
	if err != nil {
		return err
	}
	if terms.Digest() == before.Terms().Digest() {
		newOutput(cmd).line("charter epoch %d is installed already", before.Epoch)
		return nil
	}
	assembled, err := assemble(before, terms, files)
	if err != nil {
		return err
	}
	key, err := nextKey(c, terms)
	if err != nil {
		return err
	}
	bucket, err := c.openStore(cmd.Context())
	if err != nil {
		return err
	}
	defer bucket.Close()
	if _, led, err := coordinator.Led(cmd.Context(), bucket); err != nil {
		return fmt.Errorf("storage %s: %w", c.text("storage"), err)
	} else if led {
		return fmt.Errorf("storage %s: a coordinator leads: end it first", c.text("storage"))
	}
	done, err := coordinator.Install(cmd.Context(), coordinator.Config{Bucket: bucket, Key: key, Charter: before}, assembled)
	if errors.Is(err, roundlog.ErrSlotTaken) {
		err = fmt.Errorf("%w: a coordinator leads: end it first", err)
	}
	if err != nil {
		return fmt.Errorf("storage %s: %w", c.text("storage"), err)
	}
	replaced := setup.EpochFiles{Charter: c.text("charter"), Countersignatures: c.text("countersignatures"), LogKey: c.text("log_key")}
	if err := replaced.Replace(before.Epoch, done.Charter, done.Countersignatures, key); err != nil {
		return err
	}
	return newOutput(cmd).installed(before, done, assembled, asJSON)
}

func assemble(before, terms federation.Charter, files []string) (envelope.Assembled, error) {
	var consents []federation.Consent
	for _, file := range files {
		consent, err := setup.LoadConsent(file)
		if err == nil {
			err = envelope.CheckConsent(before, terms, consent)
		}
		if err != nil {
			return envelope.Assembled{}, fmt.Errorf("%s: %w", file, err)
		}
		consents = append(consents, consent)
	}
	return envelope.Assemble(before, terms, consents)
}

// nextKey is the log key of the terms: the old one, or the one that was drawn for them.
func nextKey(c config, terms federation.Charter) (*roundlog.Key, error) {
	drawn := keyFile(c, terms.Epoch)
	for _, file := range []string{c.text("log_key"), drawn} {
		if key, err := setup.LoadLogKey(file); err == nil && key.Verifier() == terms.LogKey {
			return key, nil
		} else if errors.Is(err, setup.ErrMode) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("neither %s nor %s is the log key of the terms, %s", c.text("log_key"), drawn, terms.LogKey)
}

// installation is what `charter install --json` prints.
type installation struct {
	Epoch    uint64            `json:"epoch"`
	Charter  federation.Digest `json:"charter"`
	Entry    int64             `json:"entry"`    // of the log
	Changes  []string          `json:"changes"`  // in words
	Answered [][]string        `json:"answered"` // the questions of each sum that stays answered
}

// installed prints what the log has now.
func (o *output) installed(before federation.Charter, done coordinator.Installed, a envelope.Assembled, asJSON bool) error {
	out := installation{done.Charter.Epoch, done.Charter.Digest(), done.Index, before.Changes(done.Charter), [][]string{}}
	for _, given := range a.Inherited {
		out.Answered = append(out.Answered, given.Questions)
	}
	if asJSON {
		return o.json(out)
	}
	o.lines(out.Changes)
	if n := len(out.Answered); n > 0 {
		o.line("sums that stay answered, each for its hospitals alone: %d; --json lists what they asked", n)
	}
	o.line("installed: charter epoch %d, charter %s, entry %d of the log", out.Epoch, out.Charter, out.Entry)
	o.line("next: start the coordinator; the daemons go over by themselves")
	return nil
}
