// Package externaltest is a trainer for tests: logistic regression over the protocol of
// client/train/external, which it reads and writes by itself, and acts that break its rules.
// A test binary that runs under another name may be it (Main).
package externaltest
