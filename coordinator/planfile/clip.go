package planfile

import (
	"slices"

	"atrium/coordinator/federation"
)

// The keys of a clip that follows the last aggregate: `clip: auto`, with clip_least and
// clip_most in place of federation.Privacy's ClipLeast and Clip.
const (
	autoWord     = "auto"
	keyClip      = "clip"
	keyClipLeast = "clip_least"
	keyClipMost  = "clip_most"
	defaultLeast = 1e-6
)

// readAutoClip reports whether the file says `clip: auto`, and puts clip_most in its place.
func readAutoClip(root *node) bool {
	privacy := root.member("privacy")
	if privacy == nil {
		return false
	}
	at := slices.IndexFunc(privacy.members, func(m member) bool {
		return m.name == keyClip && m.value.kind == text && m.value.text == autoWord
	})
	if at < 0 {
		return false
	}
	privacy.members = slices.Delete(privacy.members, at, at+1)
	for i, m := range privacy.members {
		if m.name == keyClipMost {
			privacy.members[i].name = keyClip
		}
	}
	return true
}

// fillClip sets what a clip that follows the aggregate leaves out, and refuses its keys
// beside another.
func (d decoder) fillClip(auto bool, p *federation.Privacy) {
	at, given := d.places["privacy."+keyClipLeast]
	switch {
	case auto && !given:
		p.ClipLeast = defaultLeast
	case given && !auto:
		d.add(at, "privacy."+keyClipLeast, "there is no such bound beside a fixed clip: write clip: %s", autoWord)
	case given && p.ClipLeast == 0:
		d.add(at, "privacy."+keyClipLeast, "0: want more, or a fixed clip")
	}
}

// member returns the value of a key of a mapping, or nil.
func (n *node) member(name string) *node {
	if n == nil {
		return nil
	}
	for _, m := range n.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}
