package evidence

import (
	"fmt"
	"strings"

	"atrium/coordinator/federation"
	"atrium/coordinator/round"
)

// Text says in words what a file shows and what it does not.
func (f Finding) Text() []string {
	who := string(f.Custodian)
	if f.Name != "" {
		who = fmt.Sprintf("%s (%s)", f.Name, f.Custodian)
	}
	lines := []string{
		fmt.Sprintf("Federation %s, charter %s of epoch %d.", f.Federation, f.Charter, f.Epoch),
		fmt.Sprintf("The log's entry %d (%s, round %d, %s), under a checkpoint of size %d that the charter's log key signed, says:", f.Entry, f.Kind, f.Round, f.Time, f.Size),
	}
	for _, d := range f.Differs {
		lines = append(lines, fmt.Sprintf("  %s: %s", d.What, d.Says))
	}
	lines = append(lines, fmt.Sprintf("Custodian %s, of that charter, signed that what follows is:", who))
	for _, d := range f.Differs {
		lines = append(lines, fmt.Sprintf("  %s: %s", d.What, d.Follows))
	}
	return append(lines, f.rests()...)
}

func (f Finding) rests() []string {
	from := fmt.Sprintf("It rests on plan %s, candidate %s of manifest %s", f.From.Plan, f.From.Candidate, f.From.Manifest)
	if f.From.Version > 0 {
		from += fmt.Sprintf(", version %d as snapshot %s", f.From.Version, f.From.Base)
	}
	for g, sum := range f.From.Sums {
		if !sum.IsZero() {
			from += fmt.Sprintf(", %s %s", SumOf(g), sum)
		}
	}
	if len(f.From.Sent) > 0 {
		from += fmt.Sprintf(", and what %s sent", ids(f.From.Sent))
	}
	lines := []string{from + ".",
		"That shows: the holder of the log key said the one, and this custodian the other."}
	return append(lines, "It does not show who is right: "+f.open())
}

// open is what decides between the two.
func (f Finding) open() string {
	switch what := f.Differs[0].What; {
	case f.Kind == round.Publish || f.Kind == round.Abandon:
		return "atrium audit replay derives it from the store."
	case what == Base || what == BaseValues:
		return fmt.Sprintf("the log's entry for version %d does, and atrium audit replay derives it from the store.", f.From.Version)
	case f.Differs[0].Follows == Unnamed:
		return "who submitted vouched for other ciphertexts than these, which may be the coordinator's doing or that of one of them; atrium audit replay adds what is in the store."
	}
	return "atrium audit replay adds what is in the store; who submitted signed which ciphertexts these are."
}

func ids(list []federation.HospitalID) string {
	var text []string
	for _, id := range list {
		text = append(text, string(id))
	}
	return strings.Join(text, ", ")
}
