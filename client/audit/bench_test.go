package audit

import "testing"

func BenchmarkVerify(b *testing.B) {
	fx := honest(b)
	for b.Loop() {
		if _, err := Verify(b.Context(), fx.objects, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReplay(b *testing.B) {
	fx := honest(b)
	for b.Loop() {
		if _, err := Replay(b.Context(), fx.objects, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
