package wire

const (
	// minBulk is how many bytes of data are sent without a copy; fewer are copied.
	minBulk = 8 << 10
	// maxPooled is the largest buffer that is kept for the next message.
	maxPooled = 4 << 20
)
