package rpc_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"

	"atrium/aggregation/fixedpoint"
	"atrium/coordinator/atriumpb"
	"atrium/coordinator/federation"
	"atrium/coordinator/opening"
	"atrium/privacy/envelope"
	"atrium/privacy/he"
	"atrium/privacy/shamir"
)

// lies is how an update differs from an honest one. Each changes its stage; what comes
// after is made from what it leaves.
type lies struct {
	copies     int                                       // encryptions of the same fields added into one ciphertext
	fields     func([]uint32)                            // before encryption
	seed       func([32]byte) [32]byte                   // of the public polynomials
	cipher     func(segments [][]byte)                   // before its segments are signed
	threshold  int                                       // of the sharing; 0 is the charter's
	shares     func([][]uint16)                          // by custodian
	plain      func(custodian int, share []byte) []byte  // before it is sealed
	sealed     func(envelopes [][]byte)                  // before their digests are signed
	submission func(*federation.Submission)              // before it is signed
	chunk      func(index int, c *atriumpb.SegmentChunk) // of the upload, one chunk a segment
	skip       bool                                      // the segments are not uploaded
	send       func(*atriumpb.SubmitRequest)
}

// forged is an update ready to be sent.
type forged struct {
	header     federation.Digest
	segments   [][]byte
	envelopes  [][]byte
	submission federation.Submission
	signed     []byte
	lie        lies
}

func (p *puppet) update(ctx context.Context, w *atriumpb.Work) error { return p.lie(ctx, w, lies{}) }

// lie makes an update with lies in it and sends it.
func (p *puppet) lie(ctx context.Context, w *atriumpb.Work, l lies) error {
	f, err := p.forge(ctx, w, l)
	if err != nil {
		return err
	}
	return p.upload(ctx, f)
}

// forge encrypts, shares, seals and signs.
func (p *puppet) forge(ctx context.Context, w *atriumpb.Work, l lies) (*forged, error) {
	if err := p.loadManifest(ctx, w); err != nil {
		return nil, err
	}
	params, err := opening.Parameters(p.header.Ring)
	if err != nil {
		return nil, err
	}
	group, _ := p.manifest.Cohort(p.id)
	fields := make([]uint32, p.header.Format.Count())
	vector := make([]float64, len(fields))
	switch p.header.Kind { // no change, of some weight
	case federation.Train:
		vector[p.w.plan.TrainTail()] = 50
	case federation.Evaluate: // all of them true negatives
		vector[2], vector[4+federation.HistogramBins] = 50, 50
	default:
		for i := range p.w.plan.Features {
			vector[3*i] = 50
		}
	}
	if _, err := p.header.Format.Quantise(fields, vector, fixedpoint.NewRounding([32]byte{1})); err != nil {
		return nil, err
	}
	if l.fields != nil {
		l.fields(fields)
	}
	seed := federation.PublicSeed(p.manifest.Digest, group)
	if l.seed != nil {
		seed = l.seed(seed)
	}
	segments, shares, err := p.encrypt(params, seed, fields, l)
	if err != nil {
		return nil, err
	}
	if l.cipher != nil {
		l.cipher(segments)
	}
	if l.shares != nil {
		l.shares(shares)
	}
	f := &forged{header: federation.Sum(w.GetHeader()), segments: segments, lie: l,
		submission: federation.Submission{V: 1, Manifest: p.manifest.Digest, Hospital: p.id, Group: group}}
	for _, s := range segments {
		f.submission.Segments = append(f.submission.Segments, federation.Sum(s))
	}
	return f, p.seal(f, shares)
}

// encrypt adds up encryptions under fresh keys and the shares of these keys.
func (p *puppet) encrypt(params *he.Parameters, seed [32]byte, fields []uint32, l lies) (segments [][]byte, shares [][]uint16, err error) {
	c := p.w.charter
	t := l.threshold
	if t == 0 {
		t = c.Threshold
	}
	for _, s := range params.Segments(opening.SegmentTarget) {
		sum, err := params.NewSegmentSum(s.First, s.Last)
		if err != nil {
			return nil, nil, err
		}
		from, to := params.Fields(s.First, s.Last)
		for range max(1, l.copies) {
			key, err := params.NewKey(rand.Reader)
			if err != nil {
				return nil, nil, err
			}
			wire, err := params.EncryptBlocks(nil, s.First, s.Last, seed, key, fields[from:to], rand.Reader)
			if err != nil {
				return nil, nil, err
			}
			if err := sum.Add(wire); err != nil {
				return nil, nil, err
			}
			part, err := shamir.Share(key.Coefficients(), t, len(c.Custodians), rand.Reader)
			if err != nil {
				return nil, nil, err
			}
			if shares == nil {
				shares = part
				continue
			}
			for i := range shares {
				if err := shamir.AddTo(shares[i], part[i]); err != nil {
					return nil, nil, err
				}
			}
		}
		segments = append(segments, sum.Marshal())
	}
	if len(segments) != 1 {
		return nil, nil, errors.New("the tests' updates have one segment: one key for each would be wrong")
	}
	return segments, shares, nil
}

func (p *puppet) seal(f *forged, shares [][]uint16) error {
	for i, id := range p.w.charter.Custodians {
		public := p.manifest.Custodian(id)
		if public == nil {
			f.envelopes = append(f.envelopes, nil)
			continue
		}
		plain := shamir.Marshal(shares[i])
		if f.lie.plain != nil {
			plain = f.lie.plain(i, plain)
		}
		e, err := envelope.Seal(public, envelope.AssociatedData{Manifest: p.manifest.Digest, UpdateRoot: f.submission.UpdateRoot(), From: p.id, To: id}, plain)
		if err != nil {
			return err
		}
		f.envelopes = append(f.envelopes, e)
	}
	if f.lie.sealed != nil {
		f.lie.sealed(f.envelopes)
	}
	for _, e := range f.envelopes {
		var digest federation.Digest
		if len(e) > 0 {
			digest = federation.Sum(e)
		}
		f.submission.Envelopes = append(f.submission.Envelopes, digest)
	}
	if f.lie.submission != nil {
		f.lie.submission(&f.submission)
	}
	f.signed = signed(p, f.submission)
	return nil
}

func (p *puppet) upload(ctx context.Context, f *forged) error {
	root := f.submission.UpdateRoot()
	for index, data := range f.segments {
		if f.lie.skip {
			break
		}
		digest := f.submission.Segments[index]
		c := &atriumpb.SegmentChunk{Federation: "cardiology", Header: f.header[:], UpdateRoot: root[:], Index: int32(index),
			Digest: digest[:], Size: int64(len(data)), Data: data}
		if f.lie.chunk != nil {
			f.lie.chunk(index, c)
		}
		if err := p.put(ctx, c); err != nil {
			return err
		}
	}
	req := &atriumpb.SubmitRequest{Federation: "cardiology", Signed: f.signed, Envelopes: f.envelopes}
	if f.lie.send != nil {
		f.lie.send(req)
	}
	_, err := p.api.Submit(ctx, req)
	return err
}

// put uploads a segment in chunks, the first of which says what it is.
func (p *puppet) put(ctx context.Context, chunks ...*atriumpb.SegmentChunk) error {
	stream, err := p.api.PutSegment(ctx)
	if err != nil {
		return err
	}
	for _, c := range chunks {
		if err := stream.Send(c); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	_, err = stream.CloseAndRecv()
	return err
}
