package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sonde.dev/sonde/agent/load"
	"sonde.dev/sonde/internal/command"
	"sonde.dev/sonde/internal/logging"
	"sonde.dev/sonde/internal/setting"
)

func newBenchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Find out what a server bears",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newBenchAgentsCommand(), newBenchConfigCommand())
	return cmd
}

func newBenchAgentsCommand() *cobra.Command {
	var config load.Config
	var log logging.Flags
	var tokenFile string
	cmd := &cobra.Command{
		Use:   "agents",
		Short: "Submit made-up samples from many agents over real streams",
		Long: `Submit made-up samples from many agents over real streams.

Each agent enrols at the server as a new one. The line "measuring" says that all
are connected and the first samples are taken; the report follows when the last
ones are acknowledged. Samples are lost when the server has neither stored them
nor will: the command then exits with 1.`,
		Args: cobra.NoArgs,
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&config.Server, "server", "http://127.0.0.1:7070", "`URL` of the server, or several separated by commas")
	fs.StringVar(&tokenFile, "join-token-file", defaultDataDir()+"/join-token", "`file` with the token to enrol with")
	fs.IntVar(&config.Agents, "count", 100, "how many agents")
	fs.IntVar(&config.Series, "series", 200, "how many series each agent has")
	fs.DurationVar(&config.Interval, "interval", time.Second, "time between two samples of a series")
	fs.DurationVar(&config.Submission, "submission-interval", time.Second, "time between two batches of an agent")
	fs.DurationVar(&config.Duration, "duration", 30*time.Second, "how long samples are taken")
	fs.DurationVar(&config.WarmUp, "warm-up", 0, "how much of the duration passes before delays count")
	log.Add(fs)
	// A line for each agent that connects would drown the report.
	level := fs.Lookup("log-level")
	level.DefValue = "warn"
	if err := level.Value.Set(level.DefValue); err != nil {
		panic(err) // a string takes any value
	}
	setting.AddFlags(fs)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := setting.Load(fs, "SONDE_BENCH", os.Environ()); err != nil {
			return err
		}
		logger, err := log.Logger(cmd.ErrOrStderr())
		token, terr := os.ReadFile(tokenFile)
		if terr != nil {
			terr = fmt.Errorf("join-token-file: %w", terr)
		}
		if err := errors.Join(err, terr, config.Validate()); err != nil {
			return err
		}
		if done, err := setting.Inspected(cmd.OutOrStdout(), fs); done {
			return command.Failure(err)
		}
		config.Logger = logger
		config.JoinToken = strings.TrimSpace(string(token))
		out := cmd.OutOrStdout()
		report, err := load.Run(cmd.Context(), config, func() { fmt.Fprintln(out, "measuring") })
		if err != nil {
			return command.Failure(err)
		}
		if err := printReport(out, report); err != nil {
			return command.Failure(err)
		}
		if lost := report.Lost(); lost > 0 {
			return command.Failure(fmt.Errorf("%d samples were lost", lost))
		}
		return nil
	}
	return cmd
}

func printReport(w io.Writer, r load.Report) error {
	round := func(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
	_, err := fmt.Fprintf(w, `agents      %d, connected in %v
samples     %d taken, %d stored, %d lost (%d dropped, %d refused, %d not acknowledged)
payload     %d bytes, %.3f a sample
ack delay   p50 %v, p99 %v, max %v
reconnects  %d
`, r.Agents, r.Connecting.Round(time.Millisecond),
		r.Taken, r.Stored, r.Lost(), r.Dropped, r.Refused, r.Unacknowledged(),
		r.PayloadBytes, float64(r.PayloadBytes)/float64(max(r.Taken, 1)),
		round(r.AckP50), round(r.AckP99), round(r.AckMax), r.Reconnects)
	return err
}
