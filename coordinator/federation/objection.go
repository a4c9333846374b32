package federation

// Objection is a custodian's word that what an entry of the log says does not follow: what the
// entry, or what it names, says, and what this custodian came to instead.
type Objection struct {
	V         int          `json:"v"` // 1
	Custodian HospitalID   `json:"custodian"`
	Entry     Digest       `json:"entry"`     // of its canonical bytes
	Candidate Digest       `json:"candidate"` // that it is about, which names all else
	Differs   []Difference `json:"differs"`   // at least one, at most MaxDifferences
}

// Difference is one thing that does not follow.
type Difference struct {
	What    string `json:"what"`
	Says    string `json:"says"`
	Follows string `json:"follows"`
}
