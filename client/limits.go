package client

import "time"

const (
	chunkBytes     = 1 << 20  // of an upload
	firstBytes     = 32 << 10 // of them, sent before the coordinator has room for more
	maxRetryAfter  = 30 * time.Second
	maxAttempts    = 6                      // to go on with a download after nothing arrived
	stepFields     = 8192                   // fields of an update that are converted at a time
	noteEvery      = 500 * time.Millisecond // the status file is written at most so often
	heardEvery     = time.Minute            // as is that the coordinator was heard of, by a daemon that has nothing to do
	pruneEvery     = time.Minute            // as is what earlier rounds left deleted
	keptSends      = 256                    // manifests whose sends stay, whatever they asked
	largeModel     = 4_000_000              // parameters
	maxReply       = 34 << 20               // largest message accepted: work with the S of a full roster
	backoffFirst   = 200 * time.Millisecond
	backoffLimit   = 15 * time.Second // full jitter below this after repeated failures
	stayTime       = 5 * time.Second  // with a coordinator that answers that it cannot
	standbyFirst   = time.Second      // with one that stands by, before the leader is asked again
	pingTime       = 10 * time.Second // of silence before a connection is tested, and for the answer
	skipTime       = 5 * time.Second  // before a task that failed is asked for again
	maxSkip        = 64
	maxJournalLine = 2 << 20
	compactAfter   = 256 << 10              // bytes by which a journal grows, besides doubling, before it is compacted
	baseTime       = 250 * time.Millisecond // before a task whose base custodians have yet to derive is asked for again
	maxQuestions   = 16                     // of which integers are kept, the one under way among them
	maxIntegers    = 8 << 30                // bytes of them: 80 of 25 million parameters
	maxGone        = 4096                   // questions of which it is kept that their integers are gone
	maxForms       = 64                     // in which one question is computed
	maxKept        = 8                      // rounds that may still have been summed, of which something is kept
	maxEvidence    = 32                     // files of evidence
	maxProofs      = 16                     // sends of which the proof is kept
	pollTime       = 25 * time.Second       // that a coordinator lets a poll wait
	wantedAfter    = 3 * time.Second        // of work before the coordinator is asked whether it is wanted still: most takes less
	measuredSteps  = 2                      // of training, behind a first one, where nothing was measured yet
	pollSlack      = 15 * time.Second       // beyond pollTime before a poll counts as lost

	maxSourceBytes    = 64 << 20 // of the memory of what records answered
	maxSourceAnswers  = 1024     // hospitals and federations in it
	maxSourceWords    = 1 << 16  // in it
	maxSourceCharters = 1024     // epochs of one federation
	maxSourceMarks    = 4096     // of the records of one federation
	maxSourceThings   = 1 << 16  // that left of them
	maxSourceName     = 256      // bytes of a person's or a hospital's name
)
