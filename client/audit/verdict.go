package audit

import (
	"fmt"
	"slices"

	"atrium/coordinator/federation"
	"atrium/storage/roundlog"
)

// Log is whose log was read, how long it is, and what holds it to the outside.
type Log struct {
	Federation string            `json:"federation"`
	Charter    federation.Digest `json:"charter"` // in force at the end of the log
	Epoch      uint64            `json:"epoch"`   // of that charter
	LogKey     string            `json:"log_key"` // verifier key
	Members    int               `json:"members"`
	MaxHostile int               `json:"max_hostile"` // f of that charter
	Entries    int64             `json:"entries"`
	Batches    int64             `json:"batches"`
	Root       federation.Digest `json:"root"`          // over all entries
	Cosigned   []Cosigned        `json:"cosigned"`      // one a hospital of the charter, largest size first
	Last       *LastCosigned     `json:"last_cosigned"` // or null
	Anchored   bool              `json:"anchored"`      // Anchor holds: the verdict is OK
	Anchor     Anchor            `json:"anchor"`
}

func (h *history) log(tree *roundlog.Tree) Log {
	return Log{Federation: h.charter.Federation, Charter: h.charter.Digest(), Epoch: h.charter.Epoch, LogKey: h.charter.LogKey,
		Members: len(h.charter.Members), MaxHostile: h.charter.MaxHostile, Entries: tree.Size(), Batches: h.batches, Root: federation.Digest(tree.Root()),
		Cosigned: h.cosigned(), Last: h.lastCosigned(), Anchored: h.anchor.Holds(), Anchor: h.anchor}
}

// Verdict is the judgement on what was checked without finding anything wrong. It is OK
// only under an anchor.
func (l Log) Verdict(checked string) string {
	if !l.Anchored {
		return fmt.Sprintf("consistent with itself, not anchored: %s; %s", checked, l.Last.words())
	}
	return fmt.Sprintf("OK: %s; anchored by the charter and, up to entry %d, by checkpoints of %s; %s",
		checked, l.Anchor.Entries-1, hospitals(len(l.Anchor.keepers())), l.Last.words())
}

func hospitals(n int) string {
	if n == 1 {
		return "1 hospital"
	}
	return fmt.Sprintf("%d hospitals", n)
}

// identity is whose log it is, in lines of plain words.
func (l Log) identity() []string {
	compare := "compare it with your own"
	switch {
	case l.Anchor.Charter == l.Charter:
		compare = "the one that you gave"
	case !l.Anchor.Charter.IsZero():
		compare = "in a line with the one that you gave"
	}
	return []string{
		fmt.Sprintf("federation  %s, %d hospitals, all of which signed the charter", l.Federation, l.Members),
		fmt.Sprintf("charter     %s (charter epoch %d): %s", l.Charter, l.Epoch, compare),
		fmt.Sprintf("log         %d entries in %d batches, root %s", l.Entries, l.Batches, l.Root),
	}
}

// anchors say of both anchors what they rule out, or what their absence leaves open.
func (l Log) anchors() []string {
	lines := []string{"anchor      charter: none was given, so federation, hospitals and keys may be made up"}
	if !l.Anchor.Charter.IsZero() {
		lines[0] = "anchor      charter: the federation, hospitals and keys are those that approved it"
	}
	for _, c := range l.Anchor.Checkpoints {
		by := "no hospital of this federation: whoever has the log's key can make it"
		if len(c.Hospitals) > 0 {
			by = cosignedBy(c.Hospitals)
		}
		lines = append(lines, fmt.Sprintf("kept        %s: %d entries, cosigned by %s", c.File, c.Size, by))
	}
	if l.Anchor.Entries == 0 {
		return append(lines, "anchor      checkpoints: none of a hospital was given, so the end may be cut off"+l.replaceable())
	}
	keepers := l.Anchor.keepers()
	lines = append(lines, fmt.Sprintf("anchor      checkpoints of %s: nothing of the first %d entries was cut off or changed; what came after may be cut off",
		list(keepers), l.Anchor.Entries))
	if len(keepers) <= l.MaxHostile {
		lines = append(lines, fmt.Sprintf("note        the charter counts with %d hostile: a hospital that works with the operator can hand over an old checkpoint, so ask others, too", l.MaxHostile))
	}
	return lines
}

// replaceable says what may be changed besides.
func (l Log) replaceable() string {
	if l.Last == nil {
		return ", and all of it replaced"
	}
	return fmt.Sprintf(", and replaced after entry %d", l.Last.Entry)
}

// keepers are the hospitals that cosigned a checkpoint which was handed over.
func (a Anchor) keepers() []string {
	var names []string
	for _, c := range a.Checkpoints {
		for _, h := range c.Hospitals {
			names = append(names, h.name())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
