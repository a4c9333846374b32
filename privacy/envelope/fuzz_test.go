package envelope

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"atrium/coordinator/federation"
)

// patched is b with some bytes in the place of others.
func patched(b []byte, at uint32, patch []byte) []byte {
	out := bytes.Clone(b)
	if len(out) > 0 {
		copy(out[int(at)%len(out):], patch)
	}
	return out
}

// FuzzOpenManifest: of a manifest that was changed nothing is taken that its hospitals did
// not sign, and what is taken is written as the same bytes.
func FuzzOpenManifest(f *testing.F) {
	var members []federation.Member
	keys := map[federation.HospitalID]ed25519.PrivateKey{}
	for i := range 4 {
		key, pub := signer(byte(i + 1))
		m := federation.Member{ID: federation.NewHospitalID("cardiology", pub), IdentityKey: pub, TLSKey: federation.Sum([]byte{byte(i)})}
		members, keys[m.ID] = append(members, m), key
	}
	c, err := federation.NewCharter("cardiology", "log+1+a", members, false)
	if err != nil {
		f.Fatal(err)
	}
	header, burnt := federation.Sum([]byte("header")), federation.Sum([]byte("burnt"))
	m := federation.Manifest{V: 1, Header: header, Groups: c.Groups, Certificates: []federation.BurnCertificate{{Manifest: burnt}}}
	signed := map[federation.Digest]bool{}
	note := func(s federation.Signed) federation.Signed {
		signed[s.Digest()] = true
		return s
	}
	for _, member := range c.Members {
		key := keys[member.ID]
		m.Joins = append(m.Joins, note(SignMessage(key, c.Federation, federation.Join{V: 1, Header: header, Hospital: member.ID, Counter: 1, Key: []byte("key")})))
		m.Certificates[0].Burns = append(m.Certificates[0].Burns, note(SignMessage(key, c.Federation, federation.Burn{V: 1, Manifest: burnt, Custodian: member.ID})))
	}
	m.Declines = []federation.Signed{note(SignMessage(keys[c.Members[0].ID], c.Federation,
		federation.Decline{V: 1, Header: header, Hospital: c.Members[0].ID, Role: federation.RoleUpdate, Reason: "why"}))}
	good := federation.Encode(m)
	if v, err := OpenManifest(c, good); err != nil || len(v.Joins) != 4 {
		f.Fatalf("%d joins: %v", len(v.Joins), err)
	}
	f.Add(good, uint32(0), []byte(nil))
	f.Add(good, uint32(7), []byte("2"))
	f.Add(good, uint32(bytes.Index(good, []byte(`"joins"`))), []byte(`"Joins"`))
	f.Add([]byte(`{"v":1,"header":"","groups":null,"joins":null,"certificates":null}`), uint32(0), []byte(nil))
	f.Fuzz(func(t *testing.T, b []byte, at uint32, patch []byte) {
		for _, blob := range [][]byte{b, patched(good, at, patch)} {
			v, err := OpenManifest(c, blob)
			if err != nil {
				continue
			}
			if !bytes.Equal(federation.Encode(v.Manifest), blob) || len(v.Joins) != len(v.Manifest.Joins) ||
				len(v.Declines) != len(v.Manifest.Declines) || len(v.Burns) != len(v.Certificates) {
				t.Fatalf("%s is read as %+v", blob, v)
			}
			for _, list := range append([][]federation.Signed{v.Manifest.Joins, v.Manifest.Declines}, burnsOf(v.Manifest)...) {
				for _, s := range list {
					if !signed[s.Digest()] {
						t.Fatalf("nobody signed %s", s.Body)
					}
				}
			}
		}
	})
}

func burnsOf(m federation.Manifest) (lists [][]federation.Signed) {
	for _, c := range m.Certificates {
		lists = append(lists, c.Burns)
	}
	return lists
}

// FuzzOpenTransition: of the statements of a change of epoch only what was signed is taken.
func FuzzOpenTransition(f *testing.F) {
	c := newChange(f)
	signed := map[federation.Digest]bool{}
	var closing []byte
	for _, consent := range c.consents {
		closing = federation.Encode(*consent.Closing)
		signed[federation.Sum(closing)] = true
	}
	f.Add(closing, uint32(0), []byte(nil))
	f.Add(closing, uint32(3), []byte("x"))
	f.Add([]byte("{}"), uint32(0), []byte(nil))
	f.Fuzz(func(t *testing.T, a []byte, at uint32, patch []byte) {
		for _, blob := range [][]byte{a, patched(closing, at, patch)} {
			tr, err := OpenTransition(c.before, c.terms, [][]byte{blob})
			if err != nil {
				continue
			}
			if !signed[tr.Closings[0].Blob] {
				t.Fatalf("nobody signed %s", blob)
			}
			if _, err := federation.CheckTransition(tr, nil); err == nil {
				t.Fatal("one closing statement is enough")
			}
		}
	})
}

// FuzzCheckPublic: a one-round key that is taken can be sealed to.
func FuzzCheckPublic(f *testing.F) {
	key, err := NewKey()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key.Public())
	f.Add(make([]byte, PublicSize))
	f.Add(bytes.Repeat([]byte{0xff}, PublicSize))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, public []byte) {
		if CheckPublic(public) != nil {
			return
		}
		if _, err := Seal(public, testAD(), []byte("share")); err != nil {
			t.Errorf("a key that was taken is refused when it is used: %v", err)
		}
	})
}
