package client

import (
	"errors"

	"atrium/coordinator/federation"
)

// openSource marks the records and finds their memory. It runs once a charter is pinned:
// until then the state directory may be of another federation. configured is the charter
// that the configuration names.
func (d *Daemon) openSource(configured federation.Charter) error {
	var err error
	d.source, err = OpenSource(SourceConfig{Train: d.cfg.Train, Test: d.cfg.Test, Folder: d.cfg.Source, State: d.cfg.State, Charter: configured})
	if err != nil {
		return err
	}
	return d.source.restore(d.self)
}

// mayAnswerFrom says before the Join what answerFrom would.
func (d *Daemon) mayAnswerFrom(h federation.Header) error {
	return orFatal(d.source.may(sourceThings(d.cfg.Plan, d.cfg.Columns, h.Kind)))
}

// answerFrom remembers, before anything of a round is computed, that it is answered from
// these records in this federation, unless another one has the answer already.
func (d *Daemon) answerFrom(h federation.Header) error {
	return orFatal(d.source.answer(d.self, sourceThings(d.cfg.Plan, d.cfg.Columns, h.Kind)))
}

// orFatal ends the daemon where the memory cannot be kept: it must not answer without.
func orFatal(err error) error {
	if err == nil || errors.Is(err, ErrElsewhere) {
		return err
	}
	return fatal{err}
}
