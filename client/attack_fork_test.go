package client_test

import (
	"testing"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator/federation"
	"atrium/storage/roundlog"
)

// TestForkAfterTheManifest: all verified one manifest; then the log forks, and each half of
// the custodians is shown another candidate. With the hostile custodian's word for both only
// one of them finds t readies, and who looked at one history never works on the other.
func TestForkAfterTheManifest(t *testing.T) {
	l := newLiar(t, 4, 1, plans.Cardiology())
	p := l.gather(l.train(1)).collect()
	whole, less := p.of(l.sites...), p.of(l.sites[1:]...)
	one := l.log
	two, err := roundlog.Open(t.Context(), l.store.Clone(), l.key, nil)
	must(t, err)
	hostile, honest, others := l.sites[0], l.sites[1], l.sites[2:]
	p.readied(whole, hostile, honest)
	l.log = two
	p.readied(less, others...)
	r := decode[federation.Ready](l, p.readies[less.Digest()][0])
	r.Custodian = hostile.id
	p.readies[less.Digest()] = append(p.readies[less.Digest()], federation.Encode(sign(l, hostile, r)))
	p.sends(less, others...) // with the hostile one's this is the one sum that opens
	fork := "the coordinator shows an older log than before, or another"
	p.askReady(honest, less).refuses(t, fork)
	p.askSend(honest, whole).refuses(t, fork)
	l.log = one
	p.askSend(honest, whole).refuses(t, "2 of 3 custodians are ready")
	for _, s := range others {
		p.askReady(s, whole).refuses(t, fork)
		p.askSend(s, less).sends(t, "send") // what is sent is sent, and is the same
	}
}
