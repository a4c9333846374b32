package federation

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// Start is what a plan begins with once its federation has versions. The zero Start goes on
// from the newest one. It counts once: after the plan's first version the plan goes on from that.
type Start struct {
	Anew     bool   `json:"anew,omitempty"`     // with statistics of its own, whatever versions there are
	Version  int    `json:"version,omitempty"`  // or from this older version of the federation
	Snapshot string `json:"snapshot,omitempty"` // of that version, its digest in hexadecimal
}

// Base is the snapshot that the plan names; zero where it names none.
func (s Start) Base() Digest {
	var d Digest
	if raw, err := hex.DecodeString(s.Snapshot); err == nil && len(raw) == len(d) {
		copy(d[:], raw)
	}
	return d
}

// Words says what the plan begins with.
func (s Start) Words() string {
	switch {
	case s.Anew:
		return "anew, with statistics of its own: nothing of earlier versions is trained on"
	case s.Version > 0:
		return fmt.Sprintf("from version %d, snapshot %s", s.Version, s.Base().Short())
	}
	return "from the newest version, or with statistics if there is none"
}

func (s Start) validate() error {
	switch {
	case s.Version < 0:
		return bad("start.version", "%d: want the number of a version", s.Version)
	case s.Anew && s != Start{Anew: true}:
		return bad("start.anew", "a plan begins anew or from a version, not both")
	case s.Version == 0 && s.Snapshot != "":
		return bad("start.snapshot", "of which version (start.version) is missing")
	case s.Version > 0 && (s.Base().IsZero() || s.Base().String() != s.Snapshot):
		return bad("start.snapshot", "%q: want the snapshot of version %d, 64 of 0-9 and a-f", s.Snapshot, s.Version)
	}
	return nil
}

// check reports whether a round of the plan may start from what a header names. Which version
// is the newest, and whether the plan has one of its own already, is for whoever knows the
// versions to compare (client/participant).
func (s Start) check(h Header) error {
	switch {
	case h.Base.IsZero() != (h.Version == 0) || h.Base.IsZero() != h.Parameters.IsZero():
		return errors.New("base is half given")
	case (h.Kind == Statistics) != h.Base.IsZero():
		return fmt.Errorf("%s on version %d", h.Kind, h.Version)
	case h.Version > h.Newest:
		return fmt.Errorf("base is version %d, the newest is %d", h.Version, h.Newest)
	case h.Steps > 0 && h.Steps >= h.Version:
		return fmt.Errorf("version %d after %d train rounds", h.Version, h.Steps)
	case h.Base.IsZero() && h.Newest > 0 && !s.Anew:
		return fmt.Errorf("it begins anew after version %d: the plan does not say so (start)", h.Newest)
	case s.Version > 0 && h.Base.IsZero():
		return fmt.Errorf("it begins with statistics: the plan starts from version %d", s.Version)
	case !h.Base.IsZero() && h.Version == uint64(s.Version) && h.Base != s.Base():
		return fmt.Errorf("version %d has snapshot %s: the plan starts from %s", h.Version, h.Base.Short(), s.Base().Short())
	case !h.Base.IsZero() && h.Version != h.Newest && h.Version != uint64(s.Version):
		return fmt.Errorf("base is version %d, not the newest, %d: the plan does not name it (start)", h.Version, h.Newest)
	}
	return nil
}
