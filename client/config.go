package client

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"

	"atrium/client/dataset"
	"atrium/client/policy"
	"atrium/client/train"
	"atrium/client/train/external"
	"atrium/coordinator/federation"
	"atrium/storage"
)

// Config is what a hospital's daemon needs in one federation. Zero values: Logger
// discards; RoundingSeed nil draws every rounding from crypto/rand.
type Config struct {
	Name      string // of the hospital, for its own files and logs
	Addresses []string
	TLS       *tls.Config // see ClientTLS
	Charter   federation.Charter
	Plan      federation.Plan // the approved plan
	Policy    policy.Policy
	Identity  ed25519.PrivateKey
	State     string           // directory of journal, pending uploads and reports; created if absent
	Train     string           // CSV, or NPY with labels, of training records
	Test      string           // the same of records for evaluation
	Source    string           // directory of what was answered from these records in any federation; empty: beside them
	Columns   []dataset.Column // how both have the plan's columns, where they differ
	Program   external.Program // that trains, where the plan's model is external
	Logger    *slog.Logger

	// Capability is what the hospital says about itself when it joins, where its policy
	// allows that: any numbers, which are rounded to powers of two; 0 is what was measured,
	// or nothing.
	Capability federation.Capability

	// RoundingSeed makes stochastic rounding repeatable, for demonstrations: the stream
	// then follows from seed, name and question. It protects nothing and hides nothing.
	RoundingSeed *uint64

	// Trainer replaces local training, for benchmarks of everything else. The Daemon
	// closes it. Nil is training by the plan.
	Trainer train.Trainer

	// Dial replaces TCP, for networks in one process. Nil is net.Dialer.
	Dial func(ctx context.Context, address string) (net.Conn, error)

	disk disk
}

// disk is what a test puts in the place of the state directory's files.
type disk struct {
	store   func() (bucket, error)
	journal func(file *os.File, lines []byte) error
}

// bucket is the daemon's store.
type bucket interface {
	storage.Bucket
	io.Closer
}

// Validate checks that nothing is missing and that the identity is in the charter.
func (c Config) Validate() error {
	switch {
	case len(c.Addresses) == 0:
		return errors.New("no coordinator address")
	case c.TLS == nil:
		return errors.New("no TLS configuration")
	case len(c.Identity) != ed25519.PrivateKeySize:
		return errors.New("no identity key")
	case min(c.Capability.TrainSeconds, c.Capability.UploadKiB, c.Capability.MemoryMiB) < 0:
		return errors.New("a capability below 0")
	case c.State == "":
		return errors.New("no state directory")
	case c.Train == "" || c.Test == "":
		return errors.New("no training or test records")
	}
	if err := errors.Join(c.Charter.Validate(), c.Plan.Validate(), federation.CheckRule(c.Charter, c.Plan), c.Policy.Validate()); err != nil {
		return err
	}
	if c.Plan.Model.Kind == federation.External && c.Trainer == nil {
		if err := c.Program.Check(c.Plan); err != nil {
			return err
		}
	}
	if _, ok := c.Charter.Member(c.self()); ok {
		return nil
	}
	if terms, err := approvedTerms(c.State); err == nil {
		if _, ok := terms.Member(c.self()); ok { // from the next epoch on
			return nil
		}
	}
	return errors.New("the identity key is not in the charter")
}

// self is the pseudonym that follows from the identity key.
func (c Config) self() federation.HospitalID {
	return federation.NewHospitalID(c.Charter.Federation, c.Identity.Public().(ed25519.PublicKey))
}
