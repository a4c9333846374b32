package client

import (
	"context"
	"errors"

	"atrium/client/participant"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/storage"
)

// learnOver erases what is kept for rounds of which a task shows that they are over: more than
// f custodians signed what followed from the sum, so an honest one opened it, and the question is
// answered. Where they signed that nothing followed, it keeps that.
func (d *Daemon) learnOver(ctx context.Context, w *atriumpb.Work) error {
	signers := map[federation.Derived]map[federation.HospitalID]bool{}
	for _, m := range d.derivedWords(w) {
		by := m.Custodian
		m.Custodian = ""
		if signers[m] == nil {
			signers[m] = map[federation.HospitalID]bool{}
		}
		signers[m][by] = true
		if len(signers[m]) <= d.cfg.Charter.MaxHostile {
			continue
		}
		if err := d.concluded(ctx, m.Manifest, m.Result); err != nil {
			return err
		}
	}
	return nil
}

// concluded takes up what followed from the sum of a manifest; a zero result: nothing, and the
// question may be asked again.
func (d *Daemon) concluded(ctx context.Context, manifest, result federation.Digest) error {
	if result.IsZero() {
		return d.noteFailed(manifest)
	}
	if err := d.persist(participant.Conclude(d.state, manifest)); err != nil {
		return err
	}
	return d.eraseRound(ctx, manifest)
}

// eraseRound erases what this hospital kept of a manifest whose question is answered: the
// integers of that question, in whatever form they were asked for, ciphertext and envelopes, and
// as a custodian the one-round key. What it sent as a custodian stays (prune). Where the question
// was asked again since, by a release, the words about the first sum end nothing.
func (d *Daemon) eraseRound(ctx context.Context, manifest federation.Digest) error {
	m, ok := d.state.Recall(manifest)
	if !ok || d.over == manifest || d.state.AskedSince(manifest) {
		return nil
	}
	question := questionFolder(m.Questions)
	objects, err := d.store.List(ctx, question)
	if err != nil {
		return fatal{err}
	}
	if err := d.deleteFolder(ctx, objects, question); err != nil {
		return err
	}
	names := map[string]bool{goneName(question): true}
	if err := d.keepNames(ctx, m.Submission, federation.Digest{}, names); err != nil {
		return err
	}
	delete(names, storage.Blob(m.Submission)) // it says what was sent
	for name := range names {
		if err := d.store.Delete(ctx, name); err != nil && !errors.Is(err, storage.ErrNotFound) {
			return fatal{err}
		}
	}
	if d.live.manifest.Digest == manifest {
		d.eraseKey()
	}
	d.over = manifest
	return d.noFailure(question)
}
