// Package planfile reads and writes the files that people edit: training plans and
// the configuration file, both strict YAML.
//
// It turns a file into a value or into errors that name file, line, column and key.
// It opens no file, merges nothing with environment or flags (cmd/atrium does, with
// viper) and judges no plan itself: federation.Plan.Validate does, and its errors are
// given their place in the file here.
//
// Strict means: one YAML 1.2 document, no key twice, no unknown key, no anchor, alias,
// tag or merge key, text where text is wanted and decimal numbers where a number is.
// The keys of a plan are the JSON keys of federation.Plan; keys left out have the
// values of Defaults, or of the rule.
//
// The commands and the demo call it with a file's bytes; nothing needs to have been
// checked.
//
// All functions are safe to call from any goroutine.
package planfile
