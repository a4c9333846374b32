package round

import (
	"fmt"
	"slices"
	"time"

	"atrium/coordinator/federation"
)

// TaskKind says what is owed.
type TaskKind string

// Tasks of the coordinator itself, then tasks of one hospital.
const (
	TaskOpen     TaskKind = "open"     // build and store the header of the next round
	TaskManifest TaskKind = "manifest" // build and store the manifest
	TaskPropose  TaskKind = "propose"  // add C and store the candidate
	TaskFetch    TaskKind = "fetch"    // wait no longer for vouches: custodians fetch these ciphertexts
	TaskPublish  TaskKind = "publish"  // open the sums and store the result
	TaskAbandon  TaskKind = "abandon"  // Reason
	TaskFinish   TaskKind = "finish"   // Reason
	TaskExpire   TaskKind = "expire"   // say which ciphertexts the charter lets go; nothing waits for it

	TaskJoin   TaskKind = "join"
	TaskUpdate TaskKind = "update"
	TaskReady  TaskKind = "ready"
	TaskVouch  TaskKind = "vouch"
	TaskSend   TaskKind = "send"
	TaskBurn   TaskKind = "burn"
	TaskDerive TaskKind = "derive"
)

// Task is one thing owed. Two tasks with the same ID are the same task.
type Task struct {
	ID       string
	Kind     TaskKind
	Hospital federation.HospitalID // of a hospital's task
	Round    uint64
	Reason   string

	// What the coordinator's tasks are about.
	RoundKind federation.RoundKind      // TaskOpen
	Month     federation.Month          // TaskOpen: of an evaluation, its part; "": all records
	Seconds   int                       // TaskOpen: the header's UpdateSeconds
	Set       [][]federation.HospitalID // TaskPropose
	Burnt     []Attempt                 // TaskManifest: attempts to certify
	Cohort    [][]federation.HospitalID // TaskManifest
	Masked    []federation.Columns      // TaskManifest: by group
	Declines  []Held                    // TaskManifest: to carry, sorted by hospital
	Pin       federation.Digest         // TaskManifest: to name
}

// Pending lists what is owed at a moment: first the coordinator's own tasks, then
// those of hospitals in charter order.
func Pending(s State, w When) []Task {
	if !s.Genesis || s.Plan.IsZero() {
		return nil
	}
	tasks := OwnTasks(s, w)
	for _, m := range s.Charter.Members {
		tasks = append(tasks, HospitalTasks(s, m.ID)...)
	}
	return tasks
}

// OwnTasks is the coordinator's own part of Pending, which does not look at every hospital.
func OwnTasks(s State, w When) []Task {
	if !s.Genesis || s.Plan.IsZero() {
		return nil
	}
	r := s.Round
	task := func(kind TaskKind) Task {
		return Task{ID: fmt.Sprintf("%s/%d", kind, r.Number), Kind: kind, Round: r.Number}
	}
	if reason := defeat(s, w); reason != "" {
		t := task(TaskAbandon)
		t.Reason = reason
		return []Task{t}
	}
	switch r.Phase {
	case Gathering:
		if g := gathered(s); g.waiting == "" && s.gatherOver(g, w) {
			t := task(TaskManifest)
			t.Cohort, t.Masked, t.Burnt, t.Declines, t.Pin = g.cohort, g.masked, g.burnt, g.declines, g.pinnedTo
			return []Task{t}
		}
	case Collecting:
		if s.collectOver(w) {
			t := task(TaskPropose)
			t.Set = collected(s).groups
			return []Task{t}
		}
	case Opening:
		if s.another(w) {
			t := task(TaskPropose)
			t.ID = fmt.Sprintf("%s/%d", t.ID, r.Tried)
			t.Set = choose(s, s.leftSilent(w)).set
			return []Task{t}
		}
		if len(s.toFetch(w)) > 0 {
			t := task(TaskFetch)
			t.ID = fmt.Sprintf("%s/%d/%d", t.ID, r.Tried, len(r.Fetched))
			return []Task{t}
		}
	case Publishing:
		t := task(TaskPublish)
		t.ID = fmt.Sprintf("%s/%d/%d", TaskPublish, r.Number, len(r.Sends))
		return []Task{t}
	default:
		return idle(s, w)
	}
	return nil
}

// idle is what is owed between rounds.
func idle(s State, w When) []Task {
	var tasks []Task
	if n := s.expirable(w.Now); n > s.Expired {
		tasks = append(tasks, Task{ID: fmt.Sprintf("%s/%d", TaskExpire, n), Kind: TaskExpire, Round: n})
	}
	return append(tasks, following(s, w)...)
}

// following is what follows a finished round: the next one, or the end of the plan. After that
// its last version is evaluated by month.
func following(s State, w When) []Task {
	kind, end := s.Next()
	number := s.Round.Number + 1
	month, due := s.NextMonth()
	waits := s.NotBefore != "" && !w.past(s.NotBefore)
	open := Task{ID: fmt.Sprintf("%s/%d", TaskOpen, number), Kind: TaskOpen, Round: number, RoundKind: kind, Seconds: UpdateSeconds(s, kind)}
	switch {
	case s.Finished != "" && (month == "" || waits || w.Now.Before(due)):
		return nil
	case s.Finished != "":
		open.RoundKind, open.Month, open.Seconds = federation.Evaluate, month, 0
		return []Task{open}
	case end != "":
		return []Task{{ID: fmt.Sprintf("%s/%d", TaskFinish, s.Round.Number), Kind: TaskFinish, Reason: end}}
	case waits:
		return nil
	}
	return []Task{open}
}

// Next returns the kind of the round that the schedule wants next, or why it wants none. The
// last version of a plan is evaluated by month or whole, not both.
func (s State) Next() (kind federation.RoundKind, end string) {
	every := s.Schedule.EvaluateEvery
	last := s.Trained == s.Schedule.Rounds || s.Converged
	switch {
	case s.Model.Number == 0:
		return federation.Statistics, ""
	case every > 0 && s.Trained > s.Evaluated && (s.Trained == 1 || s.Trained%every == 0 || last) && !(last && s.Schedule.Months.On()):
		return federation.Evaluate, ""
	case s.stopped() != "":
		return "", s.stopped()
	case s.Converged:
		return "", fmt.Sprintf("converged after %d train rounds", s.Trained)
	case last:
		return "", fmt.Sprintf("all %d train rounds are done", s.Trained)
	}
	return federation.Train, ""
}

// Wake returns the moment at which Pending may change by itself; zero if none. It may be
// past: then it has changed already.
func Wake(s State) time.Time {
	deadline := s.Round.Deadline
	if !s.Round.Phase.Running() {
		deadline = s.NotBefore
	}
	t, err := federation.ParseTime(deadline)
	if err != nil {
		return time.Time{}
	}
	return t
}

// HospitalTasks lists what one hospital owes now: burns of abandoned manifests first,
// because the next round waits for them.
func HospitalTasks(s State, id federation.HospitalID) []Task {
	j, _ := s.Round.Join(id)
	return TasksFor(s, id, j.Instance)
}

// TasksFor is HospitalTasks for a run of the daemon: while a round gathers, a daemon that
// restarted since it joined joins again, because its keys are gone.
func TasksFor(s State, id federation.HospitalID, incarnation federation.Digest) []Task {
	var tasks []Task
	add := func(kind TaskKind, subject federation.Digest) {
		tasks = append(tasks, Task{ID: fmt.Sprintf("%s/%s/%s", kind, id, subject), Kind: kind, Hospital: id, Round: s.Round.Number})
	}
	r := s.Round
	if j, joined := r.Join(id); r.Phase == Gathering && (!joined || j.Instance != incarnation) && !r.HasDeclined(id, federation.RoleUpdate) {
		add(TaskJoin, r.Header)
	}
	if slices.Contains(s.Outcome.Owing, id) { // after the Join, which waits for nothing; before what needs the version
		add(TaskDerive, s.Outcome.Manifest)
		tasks[len(tasks)-1].Round = s.Outcome.Round
	}
	switch r.Phase {
	case Collecting:
		if _, done := r.Update(id); r.InCohort(id) && !done && !r.HasDeclined(id, federation.RoleUpdate) {
			add(TaskUpdate, r.Manifest)
		}
	case Opening, Publishing:
		tasks = append(tasks, s.openingTasks(id)...)
	}
	return tasks
}

// openingTasks lists what one hospital owes while a candidate is opened. Readies and sends are
// taken from every custodian until t have sent, and for as long as a group is missing.
func (s State) openingTasks(id federation.HospitalID) []Task {
	r, kind := s.Round, TaskKind("")
	switch {
	case s.asksBurn(id):
		kind = TaskBurn
	case s.Stands() && slices.Contains(s.maySend(), id):
		kind = TaskSend
	case s.owesVouch(id) && !r.HasDeclined(id, federation.RoleUpdate):
		kind = TaskVouch
	case slices.Contains(s.mayBeReady(), id):
		kind = TaskReady
	default:
		return nil
	}
	return []Task{{ID: fmt.Sprintf("%s/%s/%s", kind, id, r.Candidate), Kind: kind, Hospital: id, Round: r.Number}}
}
