package federation

import (
	"testing"
	"time"
)

// FuzzParseTime: a time that is read is written as the same text.
func FuzzParseTime(f *testing.F) {
	f.Add("2026-03-01T08:00:00.000Z")
	f.Add("2026-03-01T08:00:00Z")
	f.Add("2026-02-30T08:00:00.000Z")
	f.Add("+2026-03-01T08:00:60.000Z")
	f.Fuzz(func(t *testing.T, text string) {
		at, err := ParseTime(text)
		if err != nil {
			return
		}
		if FormatTime(at) != text || at.Location() != time.UTC || at.Nanosecond()%int(time.Millisecond) != 0 {
			t.Errorf("%q is read as %v", text, at)
		}
	})
}

// FuzzParseDigest: a digest or a pseudonym that is taken has one text only.
func FuzzParseDigest(f *testing.F) {
	f.Add(Sum(nil).String())
	f.Add("E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855")
	f.Add(string(testMembers(1)[0].ID))
	f.Add("h-")
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := ParseDigest(text); err == nil && d.String() != text {
			t.Errorf("%q is read as %s", text, d)
		}
		if HospitalID(text).Valid() && (len(text) != len(testMembers(1)[0].ID) || text[:2] != "h-") {
			t.Errorf("%q is a pseudonym", text)
		}
	})
}
