package federation

// From names who must have signed the message.
func (j Join) From() HospitalID       { return j.Hospital }
func (s Submission) From() HospitalID { return s.Hospital }
func (d Decline) From() HospitalID    { return d.Hospital }
func (r Ready) From() HospitalID      { return r.Custodian }
func (s Send) From() HospitalID       { return s.Custodian }
func (v Vouch) From() HospitalID      { return v.Hospital }
func (d Derived) From() HospitalID    { return d.Custodian }
func (o Objection) From() HospitalID  { return o.Custodian }
func (b Burn) From() HospitalID       { return b.Custodian }

// Format is the format version of the message; this program knows 1.
func (j Join) Format() int       { return j.V }
func (s Submission) Format() int { return s.V }
func (d Decline) Format() int    { return d.V }
func (r Ready) Format() int      { return r.V }
func (s Send) Format() int       { return s.V }
func (v Vouch) Format() int      { return v.V }
func (d Derived) Format() int    { return d.V }
func (o Objection) Format() int  { return o.V }
func (b Burn) Format() int       { return b.V }
