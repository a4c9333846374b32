package audit

import (
	"slices"
	"strings"
	"testing"

	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/coordinator/round"
	"atrium/privacy/envelope"
	"atrium/storage"
	"atrium/storage/models"
	"atrium/storage/roundlog"
	"atrium/storage/storagetest"
)

// group is a batch as a liar writes it anew.
type group struct {
	epoch   uint64
	entries []round.Entry
}

// batches reads the log.
func (fx fixture) batches(t testing.TB) []group {
	t.Helper()
	var groups []group
	_, err := roundlog.Read(t.Context(), fx.objects, fx.key.Verifier(), func(b roundlog.Batch) error {
		g := group{epoch: b.Epoch}
		for _, raw := range b.Entries {
			e, err := round.DecodeEntry(raw)
			if err != nil {
				return err
			}
			g.entries = append(g.entries, e)
		}
		groups = append(groups, g)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return groups
}

// rewrite is the store with another log, signed by the log's key, with its own tiles and
// checkpoint. Everything else is as in the fixture.
func (fx fixture) rewrite(t testing.TB, groups []group) *storagetest.Memory {
	t.Helper()
	store := fx.objects.Clone()
	for _, name := range names(t, store) {
		if strings.HasPrefix(name, storage.LogFolder) || strings.HasPrefix(name, storage.TileFolder) || name == storage.Checkpoint {
			store.Set(name, nil)
		}
	}
	log, err := roundlog.Create(t.Context(), store, fx.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		var raw [][]byte
		for _, e := range g.entries {
			raw = append(raw, e.Encode())
		}
		if _, err := log.Append(t.Context(), g.epoch, start, raw); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, _, err := log.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}

// edit changes the entries that match.
func edit(groups []group, match func(round.Entry) bool, change func(*round.Entry)) []group {
	groups = slices.Clone(groups)
	for i, g := range groups {
		groups[i].entries = slices.Clone(g.entries)
		for j, e := range g.entries {
			if match(e) {
				change(&groups[i].entries[j])
			}
		}
	}
	return groups
}

// upTo cuts the log after the batch with the first match.
func upTo(groups []group, match func(round.Entry) bool) []group {
	i := slices.IndexFunc(groups, func(g group) bool { return slices.ContainsFunc(g.entries, match) })
	return groups[:i+1]
}

func is(kind round.EntryKind, number uint64) func(round.Entry) bool {
	return func(e round.Entry) bool { return e.Kind == kind && e.Round == number }
}

func isPublish(number uint64) func(round.Entry) bool { return is(round.Publish, number) }

func (fx fixture) find(t testing.TB, match func(round.Entry) bool) (round.Entry, int64) {
	t.Helper()
	index := int64(0)
	for _, g := range fx.batches(t) {
		for _, e := range g.entries {
			if match(e) {
				return e, index
			}
			index++
		}
	}
	t.Fatal("no such entry")
	return round.Entry{}, 0
}

// blob reads and put stores what an entry names.
func (fx fixture) blob(t testing.TB, digest federation.Digest) []byte {
	t.Helper()
	raw, err := storage.GetBlob(t.Context(), fx.objects, digest, storage.MaxObjectBytes)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (fx fixture) put(t testing.TB, v any) federation.Digest {
	t.Helper()
	digest, err := storage.PutBlob(t.Context(), fx.objects, federation.Encode(v))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// signCard replaces the card of the version of a publish entry.
func (fx fixture) signCard(t testing.TB, e round.Entry, index int64) {
	t.Helper()
	open, _ := fx.find(t, is(round.Open, e.Round))
	header, err := federation.DecodeHeader(fx.blob(t, open.Blob))
	if err != nil {
		t.Fatal(err)
	}
	result, err := opening.DecodeResult(fx.blob(t, e.Blob))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := models.SignCard(opening.Card(header, result, e, index), func(body []byte) []byte {
		return envelope.SignCard(fx.key, fx.charter.Federation, body)
	})
	if err != nil {
		t.Fatal(err)
	}
	fx.objects.Set(storage.Card(e.Version), federation.Encode(signed))
}

// ciphertextSum returns the object that lists C of the group of a round.
func (fx fixture) ciphertextSum(t testing.TB, number uint64) string {
	t.Helper()
	list, _ := fx.lastCandidate(t, number)
	return storage.Blob(list.Sums[0])
}

// lastCandidate returns the candidate that stood in a round, and its entry.
func (fx fixture) lastCandidate(t testing.TB, number uint64) (federation.Candidate, round.Entry) {
	t.Helper()
	var last round.Entry
	for _, g := range fx.batches(t) {
		for _, e := range g.entries {
			if e.Kind == round.Candidate && e.Round == number {
				last = e
			}
		}
	}
	list, err := federation.DecodeCandidate(fx.blob(t, last.Blob))
	if err != nil {
		t.Fatal(err)
	}
	return list, last
}
