package client

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/connectivity"
)

// TestDisplay: the status file is written at most so often, and what came too soon for that is
// in it a moment later; nothing writes it behind the end.
func TestDisplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		d := newDisplay(dir, func(err error) { t.Error(err) })
		file := func() Status {
			t.Helper()
			synctest.Wait()
			s, err := ReadStatus(dir)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		d.change(noteEvery, func(s *Status) { s.does("join", 4) })
		for round := uint64(5); round < 9; round++ {
			d.change(noteEvery, func(s *Status) { s.does("update", round) })
		}
		if s := file(); s.Doing != "join" || s.Round != 4 {
			t.Errorf("at first: %+v", s)
		}
		time.Sleep(noteEvery)
		if s := file(); s.Doing != "update" || s.Round != 8 {
			t.Errorf("the last change is lost: %+v", s)
		}

		d.change(heardEvery, func(s *Status) { s.Joined = 3 })
		time.Sleep(heardEvery / 2)
		if s := file(); s.Joined != 0 {
			t.Errorf("it was written too soon: %+v", s)
		}
		d.change(0, func(s *Status) { s.LeftOut = 1 })
		if s := file(); s.Joined != 3 || s.LeftOut != 1 {
			t.Errorf("what is urgent waits: %+v", s)
		}

		d.connection(connectivity.TransientFailure)
		d.change(0, func(s *Status) { s.does(doingAway, 0) })
		since := file().Since
		time.Sleep(time.Second)
		d.connection(connectivity.Ready)
		if s := file(); !s.Connected || s.Heard == "" || s.Doing != doingWaits || s.Since == since {
			t.Errorf("a connection is there: %+v", s)
		}
		d.change(heardEvery, func(s *Status) { s.Joined = 4 })
		d.close()
		if s := file(); s.Connected || s.Joined != 4 {
			t.Errorf("at the end: %+v", s)
		}
		d.change(0, func(s *Status) { s.Joined = 5 })
		time.Sleep(time.Hour)
		if s := file(); s.Joined != 4 {
			t.Errorf("behind the end: %+v", s)
		}
	})
}
