package rpc

import (
	"fmt"
	"slices"
	"sync"

	"atrium/coordinator"
	"atrium/coordinator/federation"
)

// served are the federations of a Server, by name. It is safe for concurrent use.
type served struct {
	mu  sync.RWMutex
	all map[string]*coordinator.Coordinator
}

func (s *served) get(name string) (*coordinator.Coordinator, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, ok := s.all[name]
	return c, ok
}

// list returns all of them.
func (s *served) list() []*coordinator.Coordinator {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []*coordinator.Coordinator
	for _, c := range s.all {
		all = append(all, c)
	}
	return all
}

// hospitals counts the keys that are admitted.
func (s *served) hospitals() int {
	keys := map[federation.Digest]bool{}
	for _, c := range s.list() {
		for _, m := range slices.Concat(c.Charter().Members, c.Removed()) {
			keys[m.TLSKey] = true
		}
	}
	return len(keys)
}

// Add serves one more federation, also while others are served.
func (s *Server) Add(c *coordinator.Coordinator) error {
	s.federations.mu.Lock()
	defer s.federations.mu.Unlock()
	name := c.Charter().Federation
	if _, ok := s.federations.all[name]; ok {
		return fmt.Errorf("federation %s is served already", name)
	}
	s.federations.all[name] = c
	return nil
}
