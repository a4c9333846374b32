package client

import (
	"fmt"
	"path/filepath"
	"testing"

	"atrium/client/participant"
	"atrium/coordinator/federation"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/local"
)

// TestPruneKeepsSends: the segments of other questions go, sends stay for a while.
func TestPruneKeepsSends(t *testing.T) {
	charter, key := threeHospitals(t)
	cfg := Config{Charter: charter, Identity: key}
	store, err := local.Create(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	d := &Daemon{cfg: cfg, self: cfg.self(), store: store}
	put := func(blob []byte) federation.Digest {
		digest, err := storage.PutBlob(t.Context(), d.store, blob)
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	var sends, shares []federation.Digest
	for i := range keptSends + 2 {
		share := put(fmt.Appendf(nil, "share sum %d", i))
		manifest := federation.Sum(fmt.Append(nil, i))
		send := put(federation.Encode(envelope.SignMessage(key, "test",
			federation.Send{V: 1, Manifest: manifest, Custodian: d.self, ShareSums: []federation.Digest{share}})))
		sends, shares = append(sends, send), append(shares, share)
		d.state.Memory = append(d.state.Memory, participant.Memory{Manifest: manifest, Questions: []string{fmt.Sprint("q", i)}, Sent: send})
	}
	segment := put([]byte("a segment of another question"))
	if err := d.prune(t.Context(), []string{"q0"}); err != nil {
		t.Fatal(err)
	}
	there := func(digest federation.Digest) bool {
		_, err := d.store.Stat(t.Context(), storage.Blob(digest))
		return err == nil
	}
	if there(segment) {
		t.Error("a segment that nobody asks for any more is kept")
	}
	for i, want := range map[int]bool{0: true, 1: false, 2: true, len(sends) - 1: true} { // 0 is asked again, 1 is the oldest other
		if there(sends[i]) != want || there(shares[i]) != want {
			t.Errorf("send %d of %d: kept %t, its share sum %t, want %t", i, len(sends), there(sends[i]), there(shares[i]), want)
		}
	}
}
