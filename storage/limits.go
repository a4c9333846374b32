package storage

// Bounds on names and objects.
const (
	MaxName        = 512       // bytes in an object name
	MaxElement     = 128       // bytes between two slashes of a name
	MaxObjectBytes = 256 << 20 // one object; a ciphertext segment is about 8 MiB
)
