// Package policy is what a hospital allows: its own file decides what is computed on
// its records and what leaves it, and a refusal names the rule.
//
// It judges plans and headers; it does not judge the coordinator's honesty, which is
// client/participant's. A policy is read once, when the daemon starts. Pure; a Policy is
// immutable and safe to share.
package policy
