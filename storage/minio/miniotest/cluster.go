package miniotest

import (
	"fmt"
	"path/filepath"
)

// clusterNodes is how many nodes a cluster has: it survives one.
const clusterNodes = 4

// StartCluster starts four MinIO nodes in dir that are one store, each with an endpoint.
// Three of them read and write. [ErrNoNamespace].
func StartCluster(dir string) (*Server, error) {
	program, err := Binary("minio")
	if err != nil {
		return nil, err
	}
	s := newServer()
	if s.space, err = newNetwork(); err != nil {
		return nil, err
	}
	var all []string
	for i := range clusterNodes {
		all = append(all, fmt.Sprintf("http://%s:%d%s", privateAddress, 9001+i, filepath.Join(dir, fmt.Sprintf("node%d", i+1))))
	}
	for i := range clusterNodes {
		name, address := fmt.Sprintf("node%d", i+1), fmt.Sprintf("%s:%d", privateAddress, 9001+i)
		s.Nodes = append(s.Nodes, &Node{name: name, program: program, log: filepath.Join(dir, name+".log"), env: s.minioEnv(), space: s.space,
			args: append([]string{"server", "--quiet", "--address", address, "--certs-dir", filepath.Join(dir, "certs")}, all...)})
		d, err := newDoor(s.space, address)
		if err != nil {
			s.Stop()
			return nil, err
		}
		s.doors = append(s.doors, d)
		s.Endpoints = append(s.Endpoints, "http://"+d.listener.Addr().String())
	}
	return s, s.start()
}

// Cut closes every connection to a node and refuses new ones, or allows them again. The
// nodes still reach one another.
func (s *Server) Cut(node int, cut bool) { s.doors[node].set(cut) }
