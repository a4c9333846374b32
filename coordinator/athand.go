package coordinator

import (
	"sync"

	"atrium/coordinator/federation"
)

// atHand keeps the segments of the round under way in the memory they were received in,
// where all of a round is small: opening the sum then reads and hashes nothing again. It
// is a copy of what is stored, never instead of it. It is safe for concurrent use.
type atHand struct {
	mu       sync.Mutex
	header   federation.Digest
	segments map[federation.Digest][]byte // by their digest, which was checked
	size     int                          // bytes in them
}

// put takes over a verified segment of a round and reports whether it did; then nobody
// writes to it any more.
func (h *atHand) put(header, digest federation.Digest, data []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.header != header {
		h.header, h.segments, h.size = header, map[federation.Digest][]byte{}, 0
	}
	if h.segments[digest] != nil || h.size+cap(data) > maxAtHand {
		return false
	}
	h.segments[digest] = data
	h.size += cap(data)
	return true
}

// get returns a segment of the round under way, or nil.
func (h *atHand) get(digest federation.Digest) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.segments[digest]
}

// clear lets the segments of a round that is over go.
func (h *atHand) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.header, h.segments, h.size = federation.Digest{}, nil, 0
}
