package federation

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
)

// Charter is the agreement of one epoch: who takes part, who is a custodian, and
// the numbers t, f, h and K that no header may change. Hospitals pin its digest.
type Charter struct {
	V          int            `json:"v"` // 1
	Federation string         `json:"federation"`
	Epoch      uint64         `json:"epoch"`    // 1, 2, …
	Previous   Digest         `json:"previous"` // charter of the epoch before; zero for epoch 1
	LogKey     string         `json:"log_key"`  // verifier of the log, in signed-note form
	Members    []Member       `json:"members"`  // sorted by ID
	Custodians []HospitalID   `json:"custodians"`
	Threshold  int            `json:"threshold"`   // t: share sums that open a sum
	MaxHostile int            `json:"max_hostile"` // f: custodians that may help a lying coordinator
	MinCohort  int            `json:"min_cohort"`  // K: fewest submitters of a group
	Groups     [][]HospitalID `json:"groups"`      // a partition of the roster, each sorted
	ShowNames  bool           `json:"show_names"`  // whether Members carry names
	Retention  Retention      `json:"retention,omitzero"`

	MaxHostileMembers int     `json:"max_hostile_members"` // h: members of a group that may help it
	Cohort            string  `json:"cohort,omitempty"`    // CohortAll; empty: any K
	Guard             float64 `json:"guard,omitzero"`      // relative norm; 0 is off, as with CohortAll

	// What an epoch after the first begins with; CheckTransition judges it.
	Closings []Digest `json:"closings,omitempty"` // of the signed closing statements of the epoch before
}

// Member is one enrolled hospital.
type Member struct {
	ID          HospitalID `json:"id"`
	Name        string     `json:"name,omitempty"` // only where ShowNames
	IdentityKey []byte     `json:"identity_key"`   // Ed25519, 32 bytes
	TLSKey      Digest     `json:"tls_key"`        // SHA-256 of its TLS certificate's SubjectPublicKeyInfo
}

// Fingerprint is the SHA-256 of the identity key, by which a hospital may pin another.
func (m Member) Fingerprint() Digest { return Sum(m.IdentityKey) }

// Custodian j of the charter evaluates the Shamir polynomial at Point(j) = j+1;
// points never change within an epoch.
func (c Charter) Point(id HospitalID) (point int, ok bool) {
	i := slices.Index(c.Custodians, id)
	return i + 1, i >= 0
}

// NewCharter fills the defaults for a roster in which every hospital is a custodian up
// to 21: as many groups as [DefaultGroups] says, and the rest as [Numbers] does.
func NewCharter(federation, logKey string, members []Member, showNames bool) (Charter, error) {
	members = slices.Clone(members)
	slices.SortFunc(members, func(a, b Member) int { return compareIDs(a.ID, b.ID) })
	c := Charter{V: 1, Federation: federation, Epoch: 1, LogKey: logKey, Members: members, ShowNames: showNames}
	roster := c.Roster()
	c.Custodians = slices.Clone(roster[:min(len(roster), defaultCustodians)])
	c.Groups = CutGroups(roster, DefaultGroups(len(roster), 0))
	c = c.With(Numbers{})
	return c, c.Validate()
}

func compareIDs(a, b HospitalID) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Digest names the charter.
func (c Charter) Digest() Digest { return Sum(Encode(c)) }

// DecodeCharter reads canonical bytes and validates them.
func DecodeCharter(b []byte) (Charter, error) {
	c, err := Decode[Charter](b, MaxCharterBytes)
	if err != nil {
		return Charter{}, err
	}
	return c, c.Validate()
}

// ErrCharter wraps every refusal of a charter.
var ErrCharter = errors.New("charter refused")

// Validate checks the rules of design §5: f < 2t−m makes two sets of t answers share
// an honest custodian, and K ≥ h+2 leaves two honest updates in every sum.
func (c Charter) Validate() error {
	err := c.validate()
	if err == nil && ((c.Epoch == 1) != (len(c.Closings) == 0) || len(c.Closings) > MaxCustodians) {
		err = fmt.Errorf("epoch %d with %d closing statements of the epoch before", c.Epoch, len(c.Closings))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCharter, err)
	}
	return nil
}

func (c Charter) validate() error {
	m, t, f := len(c.Custodians), c.Threshold, c.MaxHostile
	switch {
	case c.V != 1:
		return fmt.Errorf("format %d: this program reads 1", c.V)
	case !validName(c.Federation):
		return fmt.Errorf("federation name %q: want 1 to %d of a-z, 0-9 and -", c.Federation, MaxName)
	case c.Epoch < 1 || (c.Epoch == 1) != c.Previous.IsZero():
		return fmt.Errorf("epoch %d with previous charter %s", c.Epoch, c.Previous.Short())
	case c.LogKey == "" || len(c.LogKey) > 512:
		return errors.New("log key is missing or too long")
	case len(c.Members) < 3 || len(c.Members) > MaxHospitals:
		return fmt.Errorf("%d hospitals: want 3 to %d", len(c.Members), MaxHospitals)
	case m < 3 || m > len(c.Members) || m > MaxCustodians:
		return fmt.Errorf("%d custodians of %d hospitals: want 3 to %d", m, len(c.Members), min(len(c.Members), MaxCustodians))
	case t < 1 || t > m:
		return fmt.Errorf("threshold %d of %d custodians", t, m)
	case f < 1 || f >= 2*t-m:
		return fmt.Errorf("max hostile %d: want 1 to %d (f < 2t−m)", f, 2*t-m-1)
	}
	if err := errors.Join(c.validateSums(), c.Retention.Validate()); err != nil {
		return err
	}
	if err := c.validateMembers(); err != nil {
		return err
	}
	return c.validateGroups()
}

// validateSums judges what says whom a sum may be over.
func (c Charter) validateSums() error {
	h := c.MaxHostileMembers
	switch {
	case h < 1 || h > MaxHospitals:
		return fmt.Errorf("max hostile members %d: want 1 or more", h)
	case c.MinCohort < h+2:
		return fmt.Errorf("min cohort %d: want at least h+2 = %d", c.MinCohort, h+2)
	case c.Cohort != "" && c.Cohort != CohortAll:
		return fmt.Errorf("cohort %q: want %s or %s", c.Cohort, CohortAll, CohortAny)
	case !(c.Guard >= 0 && c.Guard <= MaxGuard):
		return fmt.Errorf("guard %v: want 0 (off) to %v of the norm", c.Guard, MaxGuard)
	case c.Cohort == CohortAll && c.Guard != 0:
		return fmt.Errorf("guard %v: with cohort %s there is nothing to guard", c.Guard, CohortAll)
	}
	return nil
}

func (c Charter) validateMembers() error {
	identities, tlsKeys := map[string]bool{}, map[Digest]bool{}
	for i, m := range c.Members {
		switch {
		case !m.ID.Valid():
			return fmt.Errorf("member %d: pseudonym %q", i, m.ID)
		case i > 0 && c.Members[i-1].ID >= m.ID:
			return fmt.Errorf("member %s: members are not sorted and distinct", m.ID)
		case len(m.IdentityKey) != ed25519.PublicKeySize:
			return fmt.Errorf("member %s: identity key of %d bytes", m.ID, len(m.IdentityKey))
		case m.ID != NewHospitalID(c.Federation, m.IdentityKey):
			return fmt.Errorf("member %s: pseudonym does not belong to its identity key", m.ID)
		case identities[string(m.IdentityKey)] || tlsKeys[m.TLSKey] || m.TLSKey.IsZero():
			return fmt.Errorf("member %s: keys are shared or missing", m.ID)
		case (m.Name != "") != c.ShowNames || (m.Name != "" && !validName(m.Name)):
			return fmt.Errorf("member %s: name %q where show_names is %v", m.ID, m.Name, c.ShowNames)
		}
		identities[string(m.IdentityKey)], tlsKeys[m.TLSKey] = true, true
	}
	seen := map[HospitalID]bool{}
	for _, id := range c.Custodians {
		if _, ok := c.Member(id); !ok || seen[id] {
			return fmt.Errorf("custodian %s: not a member, or named twice", id)
		}
		seen[id] = true
	}
	return nil
}

func (c Charter) validateGroups() error {
	seen := map[HospitalID]bool{}
	for g, group := range c.Groups {
		if len(group) < c.MinCohort {
			return fmt.Errorf("group %d has %d hospitals: want at least min cohort %d", g, len(group), c.MinCohort)
		}
		for i, id := range group {
			if _, ok := c.Member(id); !ok || seen[id] || (i > 0 && group[i-1] >= id) {
				return fmt.Errorf("group %d: %s is unknown, repeated or out of order", g, id)
			}
			seen[id] = true
		}
	}
	if len(seen) != len(c.Members) {
		return fmt.Errorf("groups hold %d of %d hospitals", len(seen), len(c.Members))
	}
	return nil
}

// BurnQuorum is how many distinct custodians make a burn certificate: m−t+f+1.
// Of those at least m−t+1 are honest, so fewer than t answers can exist.
func (c Charter) BurnQuorum() int { return len(c.Custodians) - c.Threshold + c.MaxHostile + 1 }

// Settling is how many share sums show that a group which they do not open never will: f of
// them may be wrong.
func (c Charter) Settling() int { return c.Threshold + c.MaxHostile }

// Member returns the member called id.
func (c Charter) Member(id HospitalID) (Member, bool) {
	i, ok := slices.BinarySearchFunc(c.Members, id, func(m Member, id HospitalID) int { return compareIDs(m.ID, id) })
	if !ok {
		return Member{}, false
	}
	return c.Members[i], true
}

// GroupOf returns the index of id's group, or -1.
func (c Charter) GroupOf(id HospitalID) int {
	return slices.IndexFunc(c.Groups, func(g []HospitalID) bool {
		_, ok := slices.BinarySearchFunc(g, id, compareIDs)
		return ok
	})
}

// LargestGroup is the number of hospitals that widths and noise bounds are sized for.
func (c Charter) LargestGroup() int {
	n := 0
	for _, g := range c.Groups {
		n = max(n, len(g))
	}
	return n
}
