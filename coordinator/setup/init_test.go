package setup

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"atrium/cmd/atrium/plans"
	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/storage/local"
)

func options(t *testing.T) Options {
	t.Helper()
	return Options{Dir: filepath.Join(t.TempDir(), "fed"), Federation: "heart", Hospitals: []string{"a", "b", "c", "d"},
		Plan: plans.Cardiology(), ShowNames: true}
}

func made(t *testing.T, o Options) Result {
	t.Helper()
	r, err := Init(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// modes lists what lies below dir, the log's storage left out, with permissions.
func modes(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if strings.HasPrefix(name, "coordinator/state/") {
			return nil
		}
		info, err := d.Info()
		got[name] = info.Mode().String()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestInitWritesFilesWithTheirModes(t *testing.T) {
	o := options(t)
	o.Hospitals = []string{"a", "b", "c"}
	made(t, o)
	const folder, public, secret = "drwx------", "-rw-r--r--", "-rw-------"
	want := map[string]string{".": folder, "ca.crt": public, "ca.key": secret, "hospitals": folder,
		"coordinator": folder, "coordinator/state": folder, "coordinator/atrium.yaml": public,
		"coordinator/charter.json": public, "coordinator/countersignatures.json": public, "coordinator/plan.yaml": public,
		"coordinator/log.key": secret, "coordinator/tls.key": secret, "coordinator/tls.crt": public, "coordinator/ca.crt": public}
	for _, h := range o.Hospitals {
		h = "hospitals/" + h
		want[h], want[h+"/state"] = folder, folder
		for _, name := range []string{"atrium.yaml", "charter.json", "plan.yaml", "policy.yaml", "tls.crt", "ca.crt"} {
			want[h+"/"+name] = public
		}
		want[h+"/identity.key"], want[h+"/tls.key"] = secret, secret
	}
	if diff := cmp.Diff(want, modes(t, o.Dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	left, err := os.ReadDir(filepath.Dir(o.Dir))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the federation lie %v, %v", left, err)
	}
}

func TestInitFilesLoadAndAgree(t *testing.T) {
	o := options(t)
	r := made(t, o)
	coord := r.Coordinator
	charter, err := LoadCharter(filepath.Join(coord, "charter.json"))
	if err != nil || charter.Digest() != r.Charter.Digest() {
		t.Fatalf("charter %s, want %s: %v", charter.Digest(), r.Charter.Digest(), err)
	}
	if _, err := LoadCountersignatures(filepath.Join(coord, "countersignatures.json"), charter); err != nil {
		t.Error(err)
	}
	key, err := LoadLogKey(filepath.Join(coord, "log.key"))
	if err != nil || key.Verifier() != charter.LogKey {
		t.Errorf("log key %s is not the charter's: %v", key, err)
	}
	plan, err := LoadPlan(filepath.Join(coord, "plan.yaml"))
	if err != nil || plan.Digest() != o.Plan.Digest() {
		t.Errorf("plan %s, want %s: %v", plan.Digest(), o.Plan.Digest(), err)
	}
	bucket, err := local.Open(r.Storage)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	c, err := coordinator.Open(context.Background(), coordinator.Config{Bucket: bucket, Key: key, Charter: charter})
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Status(); s.Charter != charter.Digest() || s.PlanDigest != plan.Digest() || s.LogSize == 0 {
		t.Errorf("the fresh log says %+v", s)
	}
}

func TestInitHospitalsAreTheCharters(t *testing.T) {
	r := made(t, options(t))
	if len(r.Hospitals) != 4 {
		t.Fatalf("%d hospitals", len(r.Hospitals))
	}
	for _, h := range r.Hospitals {
		in := func(name string) string { return filepath.Join(h.Folder, name) }
		identity, err := LoadIdentity(in("identity.key"))
		if err != nil {
			t.Fatal(err)
		}
		m, ok := r.Charter.Member(h.ID)
		if !ok || m.Name != h.Name || !identity.Public().(ed25519.PublicKey).Equal(ed25519.PublicKey(m.IdentityKey)) {
			t.Errorf("%s: member %+v, %v", h.Name, m, ok)
		}
		pair, err := LoadKeyPair(in("tls.crt"), in("tls.key"))
		if err != nil {
			t.Fatal(err)
		}
		if spki := federation.Sum(pair.Leaf.RawSubjectPublicKeyInfo); spki != m.TLSKey {
			t.Errorf("%s: TLS key %s, the charter has %s", h.Name, spki.Short(), m.TLSKey.Short())
		}
		if pair.Leaf.Subject.CommonName != string(h.ID) {
			t.Errorf("%s: its certificate names %q", h.Name, pair.Leaf.Subject.CommonName)
		}
		p, err := LoadPolicy(in("policy.yaml"))
		if err != nil || !cmp.Equal(p.Plans, []federation.Digest{r.Plan.Digest()}) || len(p.Kinds) != 3 {
			t.Errorf("%s: policy %+v, %v", h.Name, p, err)
		}
		if err := p.JudgeGroup(r.Charter, h.ID, r.Charter.Groups[0]); err != nil || len(p.Peers) != 4 {
			t.Errorf("%s: peers %q: %v", h.Name, p.Peers, err)
		}
	}
}

func TestInitHidesNames(t *testing.T) {
	o := options(t)
	o.ShowNames = false
	for _, m := range made(t, o).Charter.Members {
		if m.Name != "" {
			t.Errorf("the charter names %s", m.Name)
		}
	}
}

func TestInitRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"two hospitals":    {func(o *Options) { o.Hospitals = o.Hospitals[:2] }, "2 hospitals: want 3 to 1170"},
		"same twice":       {func(o *Options) { o.Hospitals[3] = "a" }, "hospital a is named twice"},
		"path as name":     {func(o *Options) { o.Hospitals[0] = "../x" }, `hospital name "../x"`},
		"no port":          {func(o *Options) { o.Address = "localhost" }, `address "localhost": want host:port`},
		"port 0":           {func(o *Options) { o.Address = "localhost:0" }, `port "0"`},
		"any address":      {func(o *Options) { o.Address = "0.0.0.0:1" }, "hospitals need a name"},
		"bad listen":       {func(o *Options) { o.Listen = "x" }, `address "x"`},
		"no directory":     {func(o *Options) { o.Dir = "" }, "no directory"},
		"plan":             {func(o *Options) { o.Plan.Privacy.Bits = 7 }, "privacy.bits"},
		"federation":       {func(o *Options) { o.Federation = "A B" }, `federation name "A B"`},
		"folder with file": {func(o *Options) { o.Dir = "." }, "is not empty"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			parent := filepath.Dir(o.Dir)
			c.change(&o)
			if o.Dir == "." {
				o.Dir = parent
				if err := os.WriteFile(filepath.Join(parent, "precious"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Init(context.Background(), o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if left, _ := os.ReadDir(parent); len(left) > 1 || len(left) == 1 && left[0].Name() != "precious" {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestInitLeavesNothingHalfDone(t *testing.T) {
	o := options(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Init(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled Init returns %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(o.Dir)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestInitUsesAnEmptyFolder(t *testing.T) {
	o := options(t)
	if err := os.Mkdir(o.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	made(t, o)
	if _, err := Init(context.Background(), o); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("a second Init returns %v", err)
	}
}

func TestInitMakesGroupsInTheOrderNamed(t *testing.T) {
	o := options(t)
	o.Hospitals = []string{"g", "f", "e", "d", "c", "b", "a"}
	o.Groups = 2
	r := made(t, o)
	c := r.Charter
	if len(c.Groups) != 2 || len(c.Groups[0]) != 4 || len(c.Groups[1]) != 3 || c.MinCohort != 3 || c.MaxHostile != 2 || c.MaxHostileMembers != 1 || c.Threshold != 5 {
		t.Errorf("groups %v, K %d, f %d, h %d, t %d: want 4 and 3 hospitals, 3, 2, 1, 5", c.Groups, c.MinCohort, c.MaxHostile, c.MaxHostileMembers, c.Threshold)
	}
	for i, h := range r.Hospitals {
		if got, want := c.GroupOf(h.ID), i/4; got != want {
			t.Errorf("%s is in group %d, want %d", h.Name, got, want)
		}
	}
	loaded, err := LoadCharter(filepath.Join(r.Hospitals[0].Folder, "charter.json"))
	if err != nil || loaded.Digest() != c.Digest() {
		t.Errorf("a hospital's charter: %v, %v", loaded.Digest(), err)
	}
	for _, n := range []int{-1, 3, 100} {
		o.Dir, o.Groups = filepath.Join(t.TempDir(), "fed"), n
		if _, err := Init(context.Background(), o); !errors.Is(err, ErrOptions) {
			t.Errorf("%d groups of 7: %v", n, err)
		}
	}
	o.Dir, o.Groups = filepath.Join(t.TempDir(), "fed"), 2
	o.Plan.Aggregation.Rule = federation.Median
	if _, err := Init(context.Background(), o); !errors.Is(err, ErrOptions) {
		t.Errorf("a median of 2 groups: %v", err)
	}
}
