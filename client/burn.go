package client

import (
	"context"
	"errors"

	"atrium/client/participant"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/privacy/envelope"
)

// burn promises never to send under a manifest; if share sums were sent, they are sent again
// instead.
func (d *Daemon) burn(ctx context.Context, w *atriumpb.Work) error {
	manifest, err := asDigest(w.GetManifest())
	if err != nil {
		return err
	}
	joined, err := d.joinedAs(ctx, manifest)
	if err != nil {
		return err
	}
	before, _ := d.state.Recall(manifest)
	err = d.persist(participant.BurnManifest(d.state, w.GetRound(), manifest, joined))
	if errors.Is(err, participant.ErrSent) {
		d.refused(w, err)
		return d.sendShares(ctx, before.Sent)
	}
	if err != nil {
		return err
	}
	if d.state.Live.Manifest == manifest || d.live.manifest.Digest == manifest {
		d.eraseKey()
	}
	for _, held := range before.Readies {
		if err := d.deleteBlobs(ctx, held.ShareSums); err != nil {
			return err
		}
	}
	signed := envelope.SignMessage(d.cfg.Identity, d.cfg.Charter.Federation, federation.Burn{V: 1, Manifest: manifest, Custodian: d.self})
	return d.link.send(ctx, "burn", federation.Encode(signed))
}

// joinedAs is the number of this hospital's own Join in a manifest, 0 where it has none. It
// matters only after a recovery, which knows Joins by their number alone.
func (d *Daemon) joinedAs(ctx context.Context, manifest federation.Digest) (uint64, error) {
	if d.state.Recovered == 0 {
		return 0, nil
	}
	raw, err := d.link.fetch(ctx, manifest, federation.MaxManifestBytes)
	if err != nil {
		return 0, err
	}
	m, err := envelope.OpenManifest(d.cfg.Charter, raw)
	if err != nil {
		return 0, err
	}
	for _, j := range m.Joins {
		if j.Hospital == d.self {
			return j.Counter, nil
		}
	}
	return 0, nil
}
