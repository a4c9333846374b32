package client

import (
	"os"

	"atrium/client/participant"
	"atrium/storage"
)

// KeepIn makes a Daemon write its store and its journal through a test.
func (c *Config) KeepIn(store storage.Bucket, journal func(file *os.File, lines []byte) error) {
	c.disk = disk{store: func() (bucket, error) { return lasting{store}, nil }, journal: journal}
}

// lasting is a store that is there after the process that closed it.
type lasting struct{ storage.Bucket }

func (lasting) Close() error { return nil }

// ReplayJournal returns what the journal of a state directory says.
func ReplayJournal(c Config) (participant.State, error) {
	j, state, err := openJournal(c.State, participant.State{Self: c.self(), Charter: c.Charter})
	if err != nil {
		return state, err
	}
	return state, j.close()
}
