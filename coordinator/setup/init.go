package setup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"atrium/coordinator"
	"atrium/coordinator/federation"
	"atrium/coordinator/planfile"
	"atrium/storage/local"
	"atrium/storage/roundlog"
)

// Names of files and folders that Init makes.
const (
	ConfigFile  = "atrium.yaml" // in the coordinator's and in each hospital's folder
	coordFolder = "coordinator"
	stateFolder = "state"
)

// Result is what Init made. Its paths are absolute.
type Result struct {
	Charter     federation.Charter
	Plan        federation.Plan
	Warnings    []string // of the charter and the store
	Coordinator string   // folder with atrium.yaml
	Storage     string   // directory of the log, or s3://BUCKET/PREFIX
	Hospitals   []Hospital
}

// Hospital is one hospital that Init made.
type Hospital struct {
	Name   string
	ID     federation.HospitalID
	Folder string // with atrium.yaml
	State  string // directory of its daemon
}

// Init makes a federation: D/ca.key and ca.crt, D/coordinator with the log begun, and
// D/hospitals/<name> for each hospital. Secret files have mode 0600. D appears whole or
// not at all. Errors: [ErrOptions], [ErrNotEmpty], the plan's, and the file system's.
func Init(ctx context.Context, o Options) (Result, error) {
	o = o.withDefaults()
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return Result{}, err
	}
	if o.S3, err = o.S3.absolute(); err != nil {
		return Result{}, err
	}
	if err := checkDir(o.Dir); err != nil {
		return Result{}, err
	}
	parent := filepath.Dir(o.Dir)
	if err := local.MakeFolders(parent); err != nil {
		return Result{}, err
	}
	temp, err := os.MkdirTemp(parent, filepath.Base(o.Dir)+".tmp-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(temp)
	result, err := build(ctx, o, folder(temp))
	if err != nil {
		return Result{}, fmt.Errorf("make federation %s: %w", o.Federation, err)
	}
	if err := os.Remove(o.Dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // an empty folder
		return Result{}, err
	}
	if err := os.Rename(temp, o.Dir); err != nil {
		return Result{}, err
	}
	return result, syncFolder(parent)
}

// build writes everything below root and names it as it will be called.
func build(ctx context.Context, o Options, root folder) (Result, error) {
	ca, err := o.authority()
	if err != nil {
		return Result{}, err
	}
	logKey, err := roundlog.GenerateKey("atrium/"+o.Federation, rand.Reader)
	if err != nil {
		return Result{}, err
	}
	roster, charter, err := enrol(o, ca, logKey)
	if err != nil {
		return Result{}, err
	}
	if err := root.write("ca.crt", ca.cert.PEM()); err != nil {
		return Result{}, err
	}
	if err := root.secret("ca.key", ca.cert.key); err != nil {
		return Result{}, err
	}
	out := Result{Charter: charter, Plan: o.Plan, Warnings: charter.Warnings(),
		Coordinator: filepath.Join(o.Dir, coordFolder), Storage: filepath.Join(o.Dir, coordFolder, stateFolder)}
	if o.Storage.S3() {
		out.Storage = o.Storage.String()
	}
	for _, m := range roster {
		if err := buildHospital(o, root.sub("hospitals", m.name), ca, m, charter); err != nil {
			return Result{}, err
		}
		dir := filepath.Join(o.Dir, "hospitals", m.name)
		out.Hospitals = append(out.Hospitals, Hospital{m.name, m.id, dir, filepath.Join(dir, stateFolder)})
	}
	warnings, err := buildCoordinator(ctx, o, root.sub(coordFolder), ca, logKey, roster, charter)
	if err != nil {
		return Result{}, err
	}
	out.Warnings = append(out.Warnings, warnings...)
	return out, nil
}

// buildCoordinator begins the log last: what is in an S3 bucket stays there when something
// goes wrong.
func buildCoordinator(ctx context.Context, o Options, f folder, ca authority, key *roundlog.Key, roster []member, charter federation.Charter) (warnings []string, err error) {
	cert, err := ca.server(o.Address, o.Now())
	if err != nil {
		return nil, err
	}
	signed := countersign(charter, roster)
	err = errors.Join(
		f.write("charter.json", federation.Encode(charter)),
		f.write("countersignatures.json", federation.Encode(signed)),
		f.write("plan.yaml", planfile.WritePlan(o.Plan)),
		f.secret("log.key", []byte(key.Secret())),
		f.secret("tls.key", cert.key),
		f.write("tls.crt", cert.PEM()),
		f.write("ca.crt", ca.cert.PEM()),
		f.write(ConfigFile, coordinatorConfig(o)))
	if err != nil {
		return nil, err
	}
	bucket, warnings, err := createStore(ctx, o, f)
	if err != nil {
		return nil, err
	}
	cfg := coordinator.Config{Bucket: bucket, Key: key, Charter: charter}
	return warnings, errors.Join(coordinator.Create(ctx, cfg, signed, o.Plan), bucket.Close())
}

func buildHospital(o Options, f folder, ca authority, m member, charter federation.Charter) error {
	return errors.Join(
		f.write("charter.json", federation.Encode(charter)),
		f.write("plan.yaml", planfile.WritePlan(o.Plan)),
		f.write("policy.yaml", policyFile(o.Plan, charter)),
		f.secret("identity.key", m.identityPEM),
		f.secret("tls.key", m.cert.key),
		f.write("tls.crt", m.cert.PEM()),
		f.write("ca.crt", ca.cert.PEM()),
		f.write(ConfigFile, hospitalConfig(o, m.name)),
		os.Mkdir(filepath.Join(string(f), stateFolder), 0o700))
}
