package setup

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"

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
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, federation.Charter{}, err
		}
		m := member{name: name, id: federation.NewHospitalID(o.Federation, public), identity: private}
		der, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			return nil, federation.Charter{}, err
		}
		m.identityPEM = encodePEM(keyBlock, der)
		if m.cert, err = ca.client(string(m.id), o.Now()); err != nil {
			return nil, federation.Charter{}, err
		}
		listed := federation.Member{ID: m.id, IdentityKey: public, TLSKey: m.cert.spki()}
		if o.ShowNames {
			listed.Name = name
		}
		roster, members = append(roster, m), append(members, listed)
	}
	charter, err := federation.NewCharter(o.Federation, key.Verifier(), members, o.ShowNames)
	charter.Retention = o.Retention
	if err != nil || o.Groups == 1 {
		return roster, charter, err
	}
	charter, err = charter.Grouped(groups(roster, o.Groups))
	return roster, charter, err
}

// groups cuts the roster into n runs of nearly equal length, the longer ones first.
func groups(roster []member, n int) [][]federation.HospitalID {
	var out [][]federation.HospitalID
	for ; n > 0; n-- {
		size := (len(roster) + n - 1) / n
		var group []federation.HospitalID
		for _, m := range roster[:size] {
			group = append(group, m.id)
		}
		out, roster = append(out, group), roster[size:]
	}
	return out
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
