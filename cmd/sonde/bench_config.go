package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sonde.dev/sonde/agent/load"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

func newBenchConfigCommand() *cobra.Command {
	var c load.Changes
	var tokenFile string
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Measure how soon a change of the configuration is in force",
		Long: `Measure how soon a change of the configuration is in force.

Each agent enrols at the server as a new one, which must have no configuration
yet. A change is measured from before the call that makes it until an agent has
checked it, has it on disk and goes by it.`,
		Args: cobra.NoArgs,
	}
	fs := cmd.Flags()
	fs.StringVar(&tokenFile, "join-token-file", defaultDataDir()+"/join-token", "`file` with the token to enrol with")
	fs.IntVar(&c.Agents, "count", 1000, "how many agents")
	fs.IntVar(&c.Count, "changes", 20, "how many changes")
	fs.StringVar(&c.StateDir, "state-dir", os.TempDir(), "`folder` for the agents' state folders; on one disk all agents wait for each other's flushes")
	cmd.PreRunE = func(*cobra.Command, []string) error { return c.Validate() }
	return operate(cmd, func(cmd *cobra.Command, s services, _ []string) error {
		token, err := os.ReadFile(tokenFile)
		if err != nil {
			return fmt.Errorf("join-token-file: %w", err)
		}
		current, err := s.config.GetConfig(cmd.Context(), &sondev1.GetConfigRequest{})
		if err != nil {
			return fmt.Errorf("reading the configuration: %w", err)
		}
		if current.Revision != nil {
			return errors.New("the server has a configuration, which this would replace: take one that has none")
		}
		c.Server = cmd.Flag("server").Value.String()
		c.JoinToken = strings.TrimSpace(string(token))
		c.Logger = slog.New(slog.DiscardHandler)
		r, err := c.Run(cmd.Context(), func(ctx context.Context, number int) error { return changeLoad(ctx, s, number) })
		if err != nil {
			return err
		}
		round := func(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "agents    %d\nchanges   %d\nin force  p50 %v, p99 %v, max %v\n",
			r.Agents, r.Changes, round(r.P50), round(r.P99), round(r.Max))
		return err
	})
}

// changeLoad makes revision number+1, with another interval of the collector load.
func changeLoad(ctx context.Context, s services, number int) error {
	interval := uint32(1000 + number)
	_, err := s.config.ApplyConfig(ctx, &sondev1.ApplyConfigRequest{
		BaseRevision: uint64(number),
		Config: &sondev1.FleetConfig{Policies: []*sondev1.Policy{{Name: allPolicy, Settings: &sondev1.Settings{
			Collectors: map[string]*sondev1.CollectorSettings{"load": {IntervalMs: &interval}},
		}}}},
	})
	if err != nil {
		return fmt.Errorf("change %d: %w", number, err)
	}
	return nil
}
