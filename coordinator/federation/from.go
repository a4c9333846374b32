package federation

// From names who must have signed the message.
func (j Join) From() HospitalID            { return j.Hospital }
func (s Submission) From() HospitalID      { return s.Hospital }
func (d Decline) From() HospitalID         { return d.Hospital }
func (a Acknowledgement) From() HospitalID { return a.Custodian }
func (a Answer) From() HospitalID          { return a.Custodian }
func (b Burn) From() HospitalID            { return b.Custodian }

// Format is the format version of the message; this program knows 1.
func (j Join) Format() int            { return j.V }
func (s Submission) Format() int      { return s.V }
func (d Decline) Format() int         { return d.V }
func (a Acknowledgement) Format() int { return a.V }
func (a Answer) Format() int          { return a.V }
func (b Burn) Format() int            { return b.V }
