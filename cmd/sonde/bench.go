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
	cmd.AddCommand(newBenchAgentsCommand())
	return cmd
}

func newBenchAgentsCommand() *cobra.Command {
	var config load.Config
	var log logging.Flags
	var tokenFile string
	cmd := &cobra.Command{
		Use:   "agents",
		Short: "Submit made-up samples from many agents over real streams",
		Args:  cobra.NoArgs,
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
	log.Add(fs)
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
		config.Logger = logger
		config.JoinToken = strings.TrimSpace(string(token))
		out := cmd.OutOrStdout()
		report, err := load.Run(cmd.Context(), config, func() { fmt.Fprintln(out, "measuring") })
		if err != nil {
			return command.Failure(err)
		}
		return command.Failure(printReport(out, report))
	}
	return cmd
}

func printReport(w io.Writer, r load.Report) error {
	_, err := fmt.Fprintf(w, `agents      %d, connected in %v
samples     %d taken, %d acknowledged, %d lost
payload     %d bytes, %.2f a sample
ack delay   p50 %v, p99 %v, max %v
reconnects  %d
`, r.Agents, r.Connecting.Round(time.Millisecond), r.Taken, r.Acked, r.Lost,
		r.PayloadBytes, float64(r.PayloadBytes)/float64(max(r.Taken, 1)),
		r.AckP50.Round(10*time.Microsecond), r.AckP99.Round(10*time.Microsecond), r.AckMax.Round(10*time.Microsecond), r.Reconnects)
	return err
}
