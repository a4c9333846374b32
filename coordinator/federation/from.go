package federation

// From names who must have signed the message.
func (j Join) From() HospitalID            { return j.Hospital }
func (s Submission) From() HospitalID      { return s.Hospital }
func (d Decline) From() HospitalID         { return d.Hospital }
func (a Acknowledgement) From() HospitalID { return a.Custodian }
func (a Answer) From() HospitalID          { return a.Custodian }
func (b Burn) From() HospitalID            { return b.Custodian }
