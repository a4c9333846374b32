package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"atrium/coordinator/setup"
)

// The plain rounds that encrypted ones are compared with do what a round does but for
// what encryption needs. A hospital downloads the snapshot and verifies it, sends a
// signed Join, makes up a change of the parameters, stores it durably as it does an
// encrypted update, uploads it as float32 in segments with hashes, and sends a signed
// Submission. The server stores each segment, message and entry of a signed log durably
// before it answers, adds the segments once all are there, stores the next snapshot and
// publishes a checkpoint. There are no custodians, manifests, envelopes and share sums.

const (
	plainFile    = "plain.json" // what the server measured, in the site's directory
	plainSegment = 8 << 20
)

// plainResult is what the server writes at the end.
type plainResult struct {
	Seconds []float64 `json:"seconds"`
	Bytes   int64     `json:"bytes"` // received from all hospitals in all rounds
}

// plain runs rounds and reads what their server measured.
func (s benchSite) plain(ctx context.Context, out *output, rounds int) (measured, error) {
	common := []string{"--rounds", strconv.Itoa(rounds), "--address", s.address, "--dir", s.dir, "--" + stdinFlag}
	args := func(command string) func(string) []string {
		return func(folder string) []string {
			return append([]string{"bench", command, "--config", filepath.Join(folder, setup.ConfigFile)}, common...)
		}
	}
	processes, stop, err := s.start(ctx, out, args("plain"), args("plain-hospital"))
	if err != nil {
		return measured{}, err
	}
	defer stop()
	var result plainResult
	err = s.until(ctx, processes, func() (bool, error) {
		b, err := os.ReadFile(filepath.Join(s.dir, plainFile))
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		} else if err != nil {
			return false, err
		}
		return true, json.Unmarshal(b, &result)
	})
	m := measured{seconds: result.Seconds, bytes: result.Bytes / int64(rounds*len(s.hospitals))}
	m.cpu = s.cpu(processes) / float64(rounds)
	m.coordinatorMB, m.hospitalMB = s.peaks(processes)
	return m, err
}

// plainOptions is what both sides are told.
type plainOptions struct {
	rounds       int
	address, dir string
}

func newPlainCommand(use, short string, list []setting, run func(context.Context, plainOptions, config) error) *cobra.Command {
	var o plainOptions
	cmd := &cobra.Command{Use: use, Short: short, Hidden: true, Args: noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, args, list)
			if err != nil {
				return err
			}
			return runDaemon(cmd, func(ctx context.Context) error { return run(ctx, o, c) })
		}}
	addSettings(cmd, list)
	addStdinFlag(cmd)
	f := cmd.Flags()
	f.IntVar(&o.rounds, "rounds", 0, "")
	f.StringVar(&o.address, "address", "", "")
	f.StringVar(&o.dir, "dir", "", "")
	return cmd
}

func newBenchPlainCommand() *cobra.Command {
	return newPlainCommand("plain", "Serve rounds without encryption", coordinatorSettings, servePlain)
}

func newBenchPlainHospitalCommand() *cobra.Command {
	return newPlainCommand("plain-hospital", "Take part in rounds without encryption", hospitalSettings, runPlainHospital)
}
