//go:build !linux

package external

import "fmt"

func start(config) (*process, error) {
	return nil, fmt.Errorf("trainer.program: %w: it needs the namespaces of Linux", ErrIsolation)
}
