package roundlog

// CheckpointAt signs the checkpoint of an earlier size; the same size gives the same
// bytes, whether it was published or not. [ErrProof] beyond the log.
func (l *Log) CheckpointAt(size int64) ([]byte, error) {
	root, err := l.tree.RootAt(size)
	if err != nil {
		return nil, err
	}
	return l.key.signCheckpoint(Checkpoint{Origin: l.key.name, Size: size, Root: root})
}
