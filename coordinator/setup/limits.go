package setup

import "time"

const (
	maxPEMBytes    = 1 << 20       // a certificate file, a key file
	maxLinks       = 40            // on the way to a file, as in Linux
	maxPolicyBytes = 1 << 20       // a policy file
	maxSigned      = 1 << 20       // countersignatures of the largest roster
	caYears        = 10            // validity of the federation's authority
	leafYears      = 2             // validity of a certificate
	maxInventory   = 32 << 20      // the inventory of a backup
	maxFiles       = 64            // configured files of a backup
	maxConfigured  = 16 << 20      // one of them
	maxContents    = 1 << 17       // files and empty folders of a hospital's state
	maxPath        = 4096          // bytes of a path in an inventory
	clockSkew      = 1 * time.Hour // certificates are valid from so long ago
)
