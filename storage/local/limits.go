package local

// maxTrusted bounds the memory of names whose durability is known; forgetting them
// costs an fsync a name, not correctness.
const maxTrusted = 1 << 18
