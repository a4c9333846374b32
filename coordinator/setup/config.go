package setup

import (
	"bytes"
	"fmt"
	"net"
	"strconv"

	"atrium/coordinator/federation"
)

// coordinatorConfig is the configuration file of the coordinator.
func coordinatorConfig(o Options) []byte {
	store, s3 := stateFolder, []byte(nil)
	if o.Storage.S3() {
		store, s3 = quote(o.Storage.String()), o.S3.config()
	}
	return append(fmt.Appendf(nil, `# Coordinator of federation %s. Relative paths start at this file's folder.
# Environment (ATRIUM_LISTEN, ATRIUM_LOG_LEVEL, ...) and flags go before it.
listen: %s # where hospitals connect
addresses: [%s] # how they reach it, for hints to those who ask one that stands by
storage: %s # the log and everything it names
charter: charter.json
countersignatures: countersignatures.json
plan: plan.yaml
log_key: log.key # secret
tls:
  cert: tls.crt
  key: tls.key # secret
  ca: ca.crt
log:
  level: info # debug, info, warn or error
  format: text # or json
`, o.Federation, quote(o.Listen), quote(o.Address), store), s3...)
}

// hospitalConfig is the configuration file of one hospital's daemon.
func hospitalConfig(o Options, name string) []byte {
	host, _, _ := net.SplitHostPort(o.Address)
	train, test := o.Data(name)
	columns := ""
	if o.Source != "" {
		columns = "\n  source: " + quote(o.Source) + " # what these records answered in any federation"
	}
	if o.Columns != nil {
		if file := o.Columns(name); file != "" {
			columns += "\n  columns: " + quote(file) + " # how they have the plan's columns"
		}
	}
	var w bytes.Buffer
	fmt.Fprintf(&w, `# Hospital %s in federation %s. Relative paths start at this file's folder.
# Environment (ATRIUM_STATE, ATRIUM_DATA_TRAIN, ...) and flags go before it.
name: %s
coordinator: [%s] # addresses, tried in turn
server_name: %s # in the coordinator's certificate
charter: charter.json # pinned: who takes part and what must hold
plan: plan.yaml # the approved plan
policy: policy.yaml # what this hospital allows
identity_key: identity.key # secret
tls:
  cert: tls.crt
  key: tls.key # secret
  ca: ca.crt
state: state # journal and reports of the daemon
data:
  train: %s # CSV with the plan's columns
  test: %s%s
log:
  level: info # debug, info, warn or error
  format: text # or json
`, name, o.Federation, quote(name), quote(o.Address), quote(host), quote(train), quote(test), columns)
	if t := o.Trainer; t.Program != "" {
		fmt.Fprintf(&w, "trainer: # of models of kind external\n  program: %s\n  sha256: %s\n", quote(t.Program), quote(t.SHA256))
		if t.Base != "" {
			fmt.Fprintf(&w, "  base: %s\n", quote(t.Base))
		}
	}
	if o.RoundingSeed != nil {
		fmt.Fprintf(&w, "rounding_seed: %d # repeatable rounding, for demonstrations only\n", *o.RoundingSeed)
	}
	return w.Bytes()
}

// policyFile approves one plan and every kind of round, and counts every member of the
// charter: whoever makes the keys of all hospitals has compared them.
func policyFile(plan federation.Plan, charter federation.Charter) []byte {
	w := bytes.NewBuffer(fmt.Appendf(nil, `# What this hospital allows. The daemon reads it when it starts; what is not allowed
# here is refused, and the refusal names the rule.
plans: # approved plans, by digest
  - "%s" # %s
kinds: [statistics, train, evaluate] # kinds of round
min_cohort: 0 # fewest hospitals in a sum; 0: the charter's number
min_records: 0 # fewest own records that are used; 0: the plan's number
min_bits: 0 # coarsest precision of an update in bits; 0: any
paused: false # true: nothing leaves
capability: true # say, in powers of two, how long training takes, how fast the link is and how much memory there is
# What was answered once and may be asked again is a line of its own, as coordinator status
# and the log name it: releases: [{plan: DIGEST, manifest: DIGEST}]. Only people write it:
# whoever of the first sum is missing from the second becomes known.
# Hospitals whose keys people here compared, by fingerprint, the SHA-256 of the identity
# key in hexadecimal, or by pseudonym (h-...), as a person there read it out. A sum needs
# as many of them, this hospital included, as the charter's number; nobody else counts.
peers:
`, plan.Digest(), plan.Name))
	for _, m := range charter.Members {
		fmt.Fprintf(w, "  - %s # %s\n", quote(m.Fingerprint().String()), m.ID)
	}
	return w.Bytes()
}

// quote writes text as a YAML double-quoted scalar.
func quote(s string) string { return strconv.Quote(s) }
