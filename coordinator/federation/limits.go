package federation

// Bounds on everything in this package that arrives from outside.
const (
	MaxName           = 64       // bytes in a federation, feature, tensor or plan name
	MaxHospitals      = 1170     // roster and group size: 28·n must fit GF(65521)
	MaxCustodians     = 64       // custodians of one charter
	MaxFeatures       = 4096     // features of one plan
	MaxHiddenLayers   = 8        // hidden layers of an mlp
	MaxHiddenUnits    = 4096     // units of one hidden layer
	MaxLayers         = 32       // layers that a plan lists
	MaxParameters     = 16 << 20 // parameters of listed layers, and of declared tensors that are trained
	MaxFilters        = 512      // filters of one convolution
	MaxClasses        = 256      // labels of one plan
	MaxLabels         = 64       // labels of a record
	MaxInputs         = 1 << 16  // values of one array
	MaxActivations    = 4 << 20  // values behind one layer, for one record
	MaxRounds         = 100_000  // training rounds of one plan
	MaxLocalSteps     = 100_000  // local steps or epochs of one round
	MaxCountedSteps   = 1 << 24  // steps of one round that a rule counts
	MaxSegments       = 4096     // ciphertext segments of one update
	MaxSegmentBytes   = 16 << 20
	AddBytes          = 8 << 20             // ciphertexts of a round that custodians add themselves; above it submitters vouch
	MaxCertificates   = 4096                // burn certificates in one manifest
	MaxMessageBytes   = 64 << 10            // one signed message but a manifest
	MaxManifestBytes  = 32 << 20            // a manifest embeds every Join
	MaxCharterBytes   = 4 << 20             // a charter lists every member
	MaxClosingBytes   = 16 << 20            // a closing statement lists every answer of its custodian
	MaxConsentBytes   = 3 * MaxClosingBytes // a consent with its closing statement, in base64
	MaxReleases       = 64                  // earlier openings of one question, and what one Join releases
	MaxOpened         = 64                  // sums that the guard remembers
	MaxIterations     = 1000                // Weiszfeld steps of a geometric median
	MaxPatterns       = 64                  // patterns of tensors that are trained, or stay in the hospitals
	MaxDeclared       = 4096                // tensors that a plan declares
	MaxTrained        = 1024                // of them trained: a snapshot has more for what the rule keeps
	MaxShape          = 8                   // dimensions of one
	MaxDeclaredSize   = 1 << 36             // values of one
	MaxGroupFields    = 1 << 27             // parameters of all groups that a robust rule holds: 512 MiB, twice that with 32 bits
	MaxPlanBytes      = 4 << 20             // a plan lists every feature
	MaxDeadlineSecond = 7 * 86400           // one phase of one round
	MaxPatience       = 366 * 86400         // seconds that hospitals may keep a plan waiting
	MaxRetentionDays  = 36_500              // a hundred years of ciphertexts
	MaxReason         = 512                 // bytes of a reason in words
	MaxExtra          = 4                   // hospitals asked beyond one that is wanted
	MinFactor         = 1.25                // deadline over what rounds took: with less it would cut itself short
	MaxFactor         = 10.                 // the same
	MaxGuard          = .1                  // relative norm: with more an honest plan would end early
	MaxCapability     = 1 << 20             // seconds, KiB a second and MiB that a hospital declares
)
