package minio

// SetPage makes listings come in pages of n objects.
func (b *Bucket) SetPage(n int) { b.page = n }
