package evidence

import "atrium/coordinator/federation"

// MaxFileBytes bounds a file: a manifest, which has every Join, in base64, and what is beside it.
const MaxFileBytes = 2*federation.MaxManifestBytes + maxWords*2*federation.MaxMessageBytes

// maxWords bounds the signed messages of one kind in a file.
const maxWords = federation.MaxHospitals
