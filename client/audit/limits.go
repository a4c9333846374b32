package audit

// maxNotes bounds the notes of one report: hospitals can cause them.
const maxNotes = 100
