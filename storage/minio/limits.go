package minio

import "time"

// Bounds on what this driver does for one call.
const (
	defaultPatience = 5 * time.Second       // a small call, all its attempts together
	firstPause      = 50 * time.Millisecond // between attempts, doubled each time
	lastPause       = time.Second           // the longest
	slowestRate     = 1 << 20               // bytes a second that a body may take, beyond Patience
	pageSize        = 1000                  // objects of a listing's page
	idleTime        = 30 * time.Second      // of a connection, before a firewall forgets it
	maxConnections  = 64                    // idle ones, kept open
	maxCredentials  = 8 << 10               // bytes of a credentials file
)
