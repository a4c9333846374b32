package main

import (
	"strconv"

	"atrium/client/train/external"
	"atrium/storage/minio"
)

// setting is one key that a configuration file, the environment and a flag can give.
// Its environment variable is ATRIUM_ and the key in capitals, dots as underscores; its
// flag is the key with dashes.
type setting struct {
	key   string
	value string // default
	path  bool   // a relative one in a file starts at the file's folder
	list  bool   // a list in a file, commas elsewhere
	mute  bool   // without a flag: arguments are seen by every user of a machine
	usage string
}

// configKey names the configuration file itself; it is no key of a file.
const configKey = "config"

var logSettings = []setting{
	{key: "log.level", value: "info", usage: "debug, info, warn or error"},
	{key: "log.format", value: "text", usage: "text or json"},
}

var tlsSettings = []setting{
	{key: "tls.cert", path: true, usage: "own TLS certificate, PEM"},
	{key: "tls.key", path: true, usage: "its private key, PEM, mode 0600"},
	{key: "tls.ca", path: true, usage: "authority of the other side's certificates, PEM"},
}

// federationsKey lists folders with a configuration file each, in the place of what
// belongs to one federation.
const federationsKey = "federations"

var coordinatorSettings = join([]setting{
	{key: federationsKey, path: true, list: true, usage: "`folders` of the federations to serve, each with its own atrium.yaml (default this one)"},
	{key: "listen", value: "127.0.0.1:7443", usage: "`address` to listen on"},
	{key: "addresses", list: true, usage: "`addresses` at which hospitals reach this coordinator (default listen)"},
	{key: "storage", path: true, usage: "`directory` of the log and all that it names, or s3://BUCKET/PREFIX"},
	{key: "charter", path: true, usage: "charter `file`"},
	{key: "countersignatures", path: true, usage: "`file` of the hospitals' signatures over the charter"},
	{key: "plan", path: true, usage: "training plan `file`"},
	{key: "log_key", path: true, usage: "signing key of the log, mode 0600"},
}, tlsSettings, logSettings, s3Settings)

// s3Settings say how an S3 store is reached, wherever storage is s3://BUCKET/PREFIX.
var s3Settings = []setting{
	{key: "s3.endpoint", list: true, mute: true, usage: "URLs of the store, https://host:port, tried in turn"},
	{key: "s3.region", value: minio.DefaultRegion, mute: true, usage: "region of the store"},
	{key: "s3.ca", path: true, mute: true, usage: "authority of its certificate, PEM"},
	{key: "s3.pointers", mute: true, usage: "second bucket, without versions, of what is swapped or deleted"},
	{key: "s3.credentials", path: true, mute: true, usage: "file ACCESS_KEY:SECRET_KEY, mode 0600"},
	{key: "s3.log_credentials", path: true, mute: true, usage: "the same, for the log alone"},
	{key: "s3.retire_credentials", path: true, mute: true, usage: "the same, for deletions alone"},
}

var hospitalSettings = join([]setting{
	{key: federationsKey, path: true, list: true, usage: "`folders` of the federations to take part in, each with its own atrium.yaml (default this one)"},
	{key: "name", usage: "`name` of this hospital in its own files and logs"},
	{key: "coordinator", list: true, usage: "`addresses` of the coordinator, tried in turn"},
	{key: "server_name", usage: "`name` in the coordinator's certificate, if it is not the address"},
	{key: "charter", path: true, usage: "pinned charter `file`"},
	{key: "plan", path: true, usage: "approved training plan `file`"},
	{key: "policy", path: true, usage: "`file` of what this hospital allows"},
	{key: "identity_key", path: true, usage: "this hospital's signing key, PEM, mode 0600"},
	{key: "state", path: true, usage: "`directory` of journal and reports"},
	{key: "data.train", path: true, usage: "`file` of training records, CSV or NPY as the plan says"},
	{key: "data.test", path: true, usage: "`file` of records for evaluation"},
	{key: "data.source", path: true, usage: "`directory` of what these records answered in any federation, the same for all (default .atrium-source beside them)"},
	{key: "data.columns", path: true, usage: "`file` that says how these files name, measure and code the plan's columns"},
	{key: "trainer.program", path: true, usage: "`file` that trains models of kind external: an executable, or a script"},
	{key: "trainer.sha256", usage: "its SHA-256, in `hexadecimal`"},
	{key: "trainer.base", path: true, usage: "`file` that the plan's model.base names by SHA-256"},
	{key: "trainer.seconds", value: strconv.Itoa(external.DefaultSeconds), usage: "time limit of one training or evaluation, in `seconds`"},
	{key: "trainer.memory_mib", value: strconv.Itoa(external.DefaultMemory >> 20), usage: "limit of each of its processes' address space, in `MiB`"},
	{key: "capability.train_seconds", value: "0", mute: true, usage: "seconds of a round's training, said when it joins (default what was measured)"},
	{key: "capability.upload_kib", value: "0", mute: true, usage: "KiB a second of its link, the same"},
	{key: "capability.memory_mib", value: "0", mute: true, usage: "MiB of memory, the same (default nothing)"},
	{key: "rounding_seed", usage: "repeatable rounding from this `seed`, for demonstrations only"},
}, tlsSettings, logSettings)

func join(lists ...[]setting) []setting {
	var all []setting
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
