package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"atrium/client/participant"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage/roundlog"
)

// ErrNotApproved: nobody at this hospital approved the charter that the coordinator shows.
var ErrNotApproved = errors.New("the next charter was not approved here: atrium hospital charter approve FILE, with the terms that the research centre hands out")

// Files of a state directory about charters.
const approvedFile = "approved-charter.json" // the terms that a person approved last

func charterFile(epoch uint64) string { return fmt.Sprintf("charter-%d.json", epoch) }
func closingFile(epoch uint64) string { return fmt.Sprintf("closing-%d.json", epoch) }

// inForce is the charter that a journal follows: the one that the configuration names,
// or a later one that the daemon itself took up from there.
func inForce(dir string, configured federation.Charter, s participant.State) (federation.Charter, error) {
	if s.Pinned.IsZero() || s.Pinned == configured.Digest() {
		return configured, nil
	}
	c, err := readCharter(filepath.Join(dir, charterFile(s.Epoch)), federation.DecodeCharter)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && c.Digest() != s.Pinned) {
		return configured, nil // Pin refuses it
	}
	return c, err
}

func readCharter(path string, decode func([]byte) (federation.Charter, error)) (federation.Charter, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return federation.Charter{}, err
	}
	c, err := decode(b)
	if err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// approvedTerms reads what was approved last; fs.ErrNotExist when nothing was.
func approvedTerms(dir string) (federation.Charter, error) {
	return readCharter(filepath.Join(dir, approvedFile), federation.DecodeTerms)
}

// keepFile writes a file of the state directory so that it survives a loss of power.
func keepFile(dir, name string, b []byte) error {
	path := filepath.Join(dir, name)
	file, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(b)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return err
	}
	return syncDir(dir)
}

// nextCharter goes over to the epoch that the coordinator shows, if a person here approved
// exactly its terms, and it holds: every member signed, enough custodians closed the epoch
// before, and the log that its key signs goes on from all that this hospital has seen.
func (d *Daemon) nextCharter(ctx context.Context, w *atriumpb.Work) error {
	e, err := round.DecodeEntry(w.GetEntry())
	if err != nil {
		return err
	}
	if e.Kind != round.CharterSet {
		return fmt.Errorf("entry %d is %s and begins no epoch: %w", w.GetEntryIndex(), e.Kind, ErrDishonest)
	}
	after, t, err := d.fetchCharter(ctx, e)
	if err != nil {
		return fmt.Errorf("charter %s: %w", e.Blob.Short(), err)
	}
	terms, err := approvedTerms(d.cfg.State)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && terms.Digest() != after.Terms().Digest()) {
		return fmt.Errorf("charter %s of epoch %d: %w", e.Blob.Short(), after.Epoch, ErrNotApproved)
	} else if err != nil {
		return err
	}
	entries, err := participant.BeginEpoch(d.state, t, federation.Added(t.Old, after))
	if err != nil {
		return err
	}
	checkpoint, err := d.seeUnder(w, after.LogKey)
	if err != nil {
		return err
	}
	if err := checkIncluded(w, checkpoint); err != nil {
		return fmt.Errorf("entry of charter %s: %w", e.Blob.Short(), err)
	}
	if err := keepFile(d.cfg.State, charterFile(after.Epoch), federation.Encode(after)); err != nil {
		return fatal{err}
	}
	if err := d.persist(entries, nil); err != nil {
		return err
	}
	d.eraseKey()
	d.live = live{}
	d.cfg.Charter, d.state.Charter = after, after
	d.cfg.Logger.Info("epoch began", "epoch", after.Epoch, "charter", after.Digest().Short(), "custodian", d.state.IsCustodian())
	return nil
}

// fetchCharter downloads the charter that an entry names with all that it rests on and
// verifies the signatures. BeginEpoch judges the rest.
func (d *Daemon) fetchCharter(ctx context.Context, e round.Entry) (federation.Charter, federation.Transition, error) {
	var t federation.Transition
	raw, err := d.link.fetch(ctx, e.Blob, federation.MaxCharterBytes)
	if err != nil {
		return federation.Charter{}, t, err
	}
	after, err := federation.DecodeCharter(raw)
	if err != nil {
		return after, t, err
	}
	if raw, err = d.link.fetch(ctx, e.Attachment, federation.MaxCharterBytes); err != nil {
		return after, t, err
	}
	signed, err := federation.Decode[federation.Countersignatures](raw, federation.MaxCharterBytes)
	if err == nil {
		err = envelope.VerifyCountersignatures(after, signed)
	}
	if err != nil {
		return after, t, err
	}
	closings, err := d.fetchAll(ctx, after.Closings)
	if err != nil {
		return after, t, err
	}
	t, err = envelope.OpenTransition(d.cfg.Charter, after, closings)
	return after, t, err
}

func (d *Daemon) fetchAll(ctx context.Context, digests []federation.Digest) ([][]byte, error) {
	var list [][]byte
	for _, digest := range digests {
		raw, err := d.link.fetch(ctx, digest, 2*federation.MaxClosingBytes)
		if err != nil {
			return nil, err
		}
		list = append(list, raw)
	}
	return list, nil
}

// checkIncluded verifies that a task's entry is where it says under a checkpoint.
func checkIncluded(w *atriumpb.Work, c roundlog.Checkpoint) error {
	proof, err := hashes(w.GetInclusion())
	if err != nil {
		return err
	}
	if err := roundlog.CheckInclusion(proof, c.Size, c.Root, w.GetEntryIndex(), roundlog.LeafHash(w.GetEntry())); err != nil {
		return fmt.Errorf("%w: %w", ErrDishonest, err)
	}
	return nil
}
