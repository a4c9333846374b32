package setup

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"atrium/coordinator/federation"
	"atrium/storage/location"
)

// Options is what Init makes a federation from. Zero values: Federation "federation";
// Address 127.0.0.1:7443; Listen is Address; Groups as [federation.DefaultGroups] says; Data names train.csv and test.csv in the
// hospital's folder; no RoundingSeed; Now is time.Now.
type Options struct {
	Dir        string   // absent or empty
	Federation string   // a-z, 0-9 and -
	Hospitals  []string // at least 3 distinct names of a-z, 0-9 and -
	Address    string   // host:port at which hospitals reach the coordinator
	Listen     string   // host:port at which it listens
	Plan       federation.Plan
	ShowNames  bool              // whether the charter carries the hospitals' names
	Storage    location.Location // S3 only; the zero value is the coordinator's folder
	S3         S3                // how to reach it
	Authority  string            // folder of ca.crt and ca.key that sign here too; empty: a new one
	Groups     int               // in which Hospitals are summed apart, in their order
	Numbers    federation.Numbers
	Retention  federation.Retention

	// Data names a hospital's training and test records, as its configuration file
	// will: absolute, or relative to the hospital's folder.
	Data func(hospital string) (train, test string)
	// Columns names the file that says how a hospital's records have the plan's columns,
	// as Data does; empty, or nil: there is none.
	Columns func(hospital string) string
	// Source is where hospitals remember what their records answered in any federation, as
	// Data; empty: beside the records.
	Source string
	// Trainer is what every hospital's configuration says about its own, for one machine that
	// plays all hospitals; zero: nothing.
	Trainer Trainer
	// RoundingSeed is for demonstrations; see client.Config.
	RoundingSeed *uint64
	Now          func() time.Time
}

// Trainer is the program of a hospital that trains external models.
type Trainer struct {
	Program string // absolute, as is Base
	SHA256  string
	Base    string // empty: none
}

const (
	defaultName    = "federation"
	defaultAddress = "127.0.0.1:7443"
)

// Refusals of Init.
var (
	ErrNotEmpty = errors.New("directory is not empty")
	ErrOptions  = errors.New("federation cannot be made")
)

func (o Options) withDefaults() Options {
	if o.Federation == "" {
		o.Federation = defaultName
	}
	if o.Address == "" {
		o.Address = defaultAddress
	}
	if o.Listen == "" {
		o.Listen = o.Address
	}
	if o.Data == nil {
		o.Data = func(string) (string, string) { return "train.csv", "test.csv" }
		if o.Plan.Arrays() {
			o.Data = func(string) (string, string) { return "train.npy", "test.npy" }
		}
	}
	if o.Groups == 0 {
		o.Groups = federation.DefaultGroups(len(o.Hospitals), o.Numbers.MinCohort)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Validate reports the first option that is wrong; Init calls it on the options with
// their defaults.
func (o Options) Validate() error {
	if err := o.validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrOptions, err)
	}
	return o.Plan.Validate()
}

func (o Options) validate() error {
	if o.Dir == "" {
		return errors.New("no directory")
	}
	if !federation.ValidName(o.Federation) {
		return fmt.Errorf("federation name %q: want 1 to %d of a-z, 0-9 and -", o.Federation, federation.MaxName)
	}
	if n := len(o.Hospitals); n < 3 || n > federation.MaxHospitals {
		return fmt.Errorf("%d hospitals: want 3 to %d", n, federation.MaxHospitals)
	}
	if n := len(o.Hospitals); o.Groups < 1 || n/o.Groups < 3 {
		return fmt.Errorf("%d groups of %d hospitals: each needs at least 3", o.Groups, n)
	}
	if err := federation.CheckRule(federation.Charter{Groups: make([][]federation.HospitalID, o.Groups)}, o.Plan); err != nil {
		return err
	}
	if err := o.Retention.Validate(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, name := range o.Hospitals {
		switch {
		case !federation.ValidName(name):
			return fmt.Errorf("hospital name %q: want 1 to %d of a-z, 0-9 and -", name, federation.MaxName)
		case seen[name]:
			return fmt.Errorf("hospital %s is named twice", name)
		}
		seen[name] = true
	}
	host, err := checkAddress(o.Address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("address %s: hospitals need a name or an address that they can reach", o.Address)
	}
	_, err = checkAddress(o.Listen)
	return err
}

func checkAddress(address string) (host string, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("address %q: want host:port", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("address %q: port %q: want 1 to 65535", address, port)
	}
	return host, nil
}

// checkDir refuses a directory that holds anything, and the current one, which would be
// replaced under the caller's feet.
func checkDir(dir string) error {
	if here, err := os.Getwd(); err == nil && here == dir {
		return fmt.Errorf("%s: %w: it is the current one, name another", dir, ErrOptions)
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s: %w: it has %s", dir, ErrNotEmpty, entries[0].Name())
	}
	return nil
}
