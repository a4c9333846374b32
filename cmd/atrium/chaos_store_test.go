package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"atrium/coordinator/setup"
	"atrium/storage/location"
	"atrium/storage/minio"
	"atrium/storage/minio/miniotest"
)

// chaosStore is where a federation keeps its log: a directory, or S3 servers that faults
// meet too.
type chaosStore struct {
	where  location.Location
	s3     setup.S3
	server *miniotest.Server // nil: a directory
}

// Names of victims.
const (
	storeVictim = "storage"         // one node of it
	storeLink   = "storage of %s"   // as one coordinator reaches it
	storeBucket = "s3://chaos/here" // of the servers
	storeRests  = 2 * time.Second   // for a node to be a full one again, before another falls
)

// startStore runs the servers of a kind of storage below dir.
func startStore(ctx context.Context, dir, kind string) (s chaosStore, err error) {
	switch kind {
	case "local":
		return s, nil
	case "minio":
		s.server, err = miniotest.StartMinIO(dir, true)
	case "minio4":
		s.server, err = miniotest.StartCluster(dir)
	default:
		err = usageError(fmt.Errorf("--storage %q: want local, minio or minio4", kind))
	}
	if err != nil {
		return s, err
	}
	file := filepath.Join(dir, "s3.credentials")
	if err := os.WriteFile(file, []byte(s.server.AccessKey+":"+s.server.SecretKey), 0o600); err != nil {
		return s, err
	}
	s.s3 = setup.S3{Endpoints: s.server.Endpoints, CA: s.server.CAFile, Credentials: file}
	if s.where, err = location.Parse(storeBucket); err != nil {
		return s, err
	}
	return s, s.server.MakeBucket(ctx, "chaos", false)
}

// open reads the log past everything that is cut.
func (s chaosStore) open(ctx context.Context, made setup.Result) (location.Bucket, error) {
	if s.server == nil {
		where, err := location.Parse(made.Storage)
		if err != nil {
			return nil, err
		}
		s.where = where
		return where.Open(ctx, minio.Config{})
	}
	config, err := s.s3.Load()
	if err != nil {
		return nil, err
	}
	return s.where.Open(ctx, config)
}

func (s chaosStore) stop() {
	if s.server != nil {
		s.server.Stop()
	}
}

// link writes a coordinator's configuration, in which proxies lead to the store.
func (s chaosStore) link(folder, name string) (file string, links []*proxy, err error) {
	b, err := os.ReadFile(filepath.Join(folder, setup.ConfigFile))
	if err != nil {
		return "", nil, err
	}
	text := string(b)
	for _, endpoint := range s.s3.Endpoints {
		_, address, _ := strings.Cut(endpoint, "://")
		p, err := newProxy(address)
		if err != nil {
			return "", nil, err
		}
		links = append(links, p)
		text = strings.ReplaceAll(text, address, p.address())
	}
	file = filepath.Join(folder, name+".yaml")
	return file, links, os.WriteFile(file, []byte(text), 0o600)
}

// victims are the nodes, one at a time, and the way of each coordinator to them.
func (s chaosStore) victims(coordinators []string) (list []victim) {
	if s.server == nil {
		return nil
	}
	for _, name := range coordinators {
		list = append(list, victim{fmt.Sprintf(storeLink, name), []faultKind{faultCut, faultRefuse}})
	}
	kinds := []faultKind{faultKill, faultPause}
	if len(s.server.Nodes) > 1 {
		kinds = append(kinds, faultRefuse)
	}
	return append(list, victim{storeVictim, kinds}, victim{storeVictim, kinds})
}

// begin and heal are a fault of one node.
func (s chaosStore) begin(f fault) error {
	n := f.Node % len(s.server.Nodes)
	switch f.Kind {
	case faultKill:
		s.server.Nodes[n].Kill()
	case faultPause:
		return s.server.Nodes[n].Pause()
	case faultRefuse:
		s.server.Cut(n, true)
	}
	return nil
}

func (s chaosStore) heal(ctx context.Context, f fault) (err error) {
	n := f.Node % len(s.server.Nodes)
	switch f.Kind {
	case faultKill:
		err = s.server.Nodes[n].Start()
	case faultPause:
		err = s.server.Nodes[n].Resume()
	case faultRefuse:
		s.server.Cut(n, false)
	}
	sleep(ctx, storeRests)
	return err
}
