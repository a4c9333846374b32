package setup

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"fmt"

	"atrium/coordinator/federation"
	"atrium/privacy/envelope"
	"atrium/storage/roundlog"
)

// member is a hospital with its secrets, while its folder is being made.
type member struct {
	name        string
	id          federation.HospitalID
	identity    ed25519.PrivateKey
	identityPEM []byte
	cert        certificate
}

// enrol draws the keys of all hospitals and makes the charter of them.
func enrol(o Options, ca authority, key *roundlog.Key) ([]member, federation.Charter, error) {
	var roster []member
	var members []federation.Member
	for _, name := range o.Hospitals {
		m, err := draw(o, ca, name)
		if err != nil {
			return nil, federation.Charter{}, err
		}
		roster, members = append(roster, m), append(members, m.listed(o.ShowNames))
	}
	charter, err := federation.NewCharter(o.Federation, key.Verifier(), members, o.ShowNames)
	if err == nil {
		charter, err = charter.Grouped(groups(roster, o.Groups))
	}
	if err != nil {
		return roster, charter, err
	}
	charter.Retention = o.Retention
	charter = charter.With(o.Numbers)
	return roster, charter, charter.Validate()
}

// draw draws the keys of one hospital.
func draw(o Options, ca authority, name string) (member, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return member{}, err
	}
	m := member{name: name, id: federation.NewHospitalID(o.Federation, public), identity: private}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return member{}, err
	}
	m.identityPEM = encodePEM(keyBlock, der)
	m.cert, err = ca.client(string(m.id), o.Now())
	return m, err
}

// listed is the hospital as a charter has it.
func (m member) listed(showName bool) federation.Member {
	out := federation.Member{ID: m.id, IdentityKey: m.identity.Public().(ed25519.PublicKey), TLSKey: m.cert.spki()}
	if showName {
		out.Name = m.name
	}
	return out
}

// Enrol makes the folder of a hospital that is to join a federation with its next charter,
// Dir/<name>, and returns it as the charter will have it. before is the charter in force.
// Of the options Authority is the folder of ca.crt and ca.key, and Address, Plan, Data and
// Now are as for Init. [ErrOptions], and the file system's errors.
func Enrol(o Options, before federation.Charter, name string) (federation.Member, error) {
	o = o.withDefaults()
	o.Federation = before.Federation
	if _, err := checkAddress(o.Address); err != nil {
		return federation.Member{}, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	for _, m := range before.Members {
		if m.Name == name || !federation.ValidName(name) {
			return federation.Member{}, fmt.Errorf("%w: hospital name %q is taken, or not of a-z, 0-9 and -", ErrOptions, name)
		}
	}
	ca, err := o.authority()
	if err != nil {
		return federation.Member{}, err
	}
	m, err := draw(o, ca, name)
	if err != nil {
		return federation.Member{}, err
	}
	if err := buildHospital(o, folder(o.Dir).sub(name), ca, m, before); err != nil {
		return federation.Member{}, err
	}
	return m.listed(before.ShowNames), nil
}

// groups cuts the roster into n groups.
func groups(roster []member, n int) [][]federation.HospitalID {
	var ids []federation.HospitalID
	for _, m := range roster {
		ids = append(ids, m.id)
	}
	return federation.CutGroups(ids, n)
}

// countersign signs the charter as every member, in the charter's order.
func countersign(c federation.Charter, roster []member) federation.Countersignatures {
	keys := map[federation.HospitalID]ed25519.PrivateKey{}
	for _, m := range roster {
		keys[m.id] = m.identity
	}
	out := federation.Countersignatures{V: 1, Charter: c.Digest()}
	body := federation.Encode(c)
	for _, m := range c.Members {
		out.Signatures = append(out.Signatures, federation.Countersignature{Signer: m.ID,
			Signature: envelope.Sign(keys[m.ID], envelope.Charter, c.Federation, m.ID, body)})
	}
	return out
}
