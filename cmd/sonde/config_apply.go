package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"sonde.dev/sonde/internal/command"
	"sonde.dev/sonde/internal/fleetconfig"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

func newConfigDiffCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Print what a file would change for which agent",
		Long: `Print what a file would change for which agent.

The exit code is that of diff: 0 when the file is the configuration of the newest
revision, 1 when it is another, 2 when there was trouble.`,
		Args: cobra.NoArgs,
	}
	var f source
	f.add(cmd)
	return operate(cmd, func(cmd *cobra.Command, s services, _ []string) error {
		differs, err := diff(cmd, s, &f)
		switch {
		case err != nil:
			return command.Exit(2, err)
		case differs:
			return command.Exit(1, nil)
		}
		return nil
	})
}

func diff(cmd *cobra.Command, s services, f *source) (differs bool, err error) {
	file, err := f.read(cmd.InOrStdin())
	if err != nil {
		return false, err
	}
	current, err := s.config.GetConfig(cmd.Context(), &sondev1.GetConfigRequest{})
	if err != nil {
		return false, fmt.Errorf("reading the configuration: %w", err)
	}
	if same(current.Config, file.Config) {
		return false, nil
	}
	changes, errs := preview(cmd.Context(), s, file.Config, file.Line)
	if len(errs) > 0 {
		return false, f.name(errs)
	}
	w := cmd.OutOrStdout()
	if len(changes) == 0 {
		_, err = fmt.Fprintf(w, "it differs from revision %d, and changes no agent\n", current.Revision.GetNumber())
		return true, err
	}
	return true, writeTable(w, func(t *table) {
		t.row("AGENT", "SETTING", "BEFORE", "AFTER")
		for _, c := range changes {
			for _, s := range c.Settings {
				t.row(c.AgentName, s.Path, s.Before, s.After)
			}
		}
	})
}

// same reports whether two configurations are written alike.
func same(a, b *sondev1.FleetConfig) bool {
	one, err1 := fleetconfig.Format(a)
	two, err2 := fleetconfig.Format(b)
	return err1 == nil && err2 == nil && string(one) == string(two)
}

// rollout is how a change reaches the fleet.
type rollout struct {
	message        string
	steps          []uint
	watch          time.Duration
	maxFailures    uint32
	ignoreFailures bool
	wait           bool
}

// add adds the flags.
func (r *rollout) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	cmd.PreRunE = func(*cobra.Command, []string) error {
		_, err := r.plan()
		return err
	}
	fs.UintSliceVar(&r.steps, "steps", nil, "how many of the agents get it in each step, in `percent`, such as 10,50,100; without, all get it at once")
	fs.Lookup("steps").DefValue = "" // pflag shows an empty list as a default
	fs.DurationVar(&r.watch, "watch", time.Minute, "how long each of --steps is watched before the next one")
	fs.Uint32Var(&r.maxFailures, "max-failures", 0, "by `how much` a failure counter of an agent may rise in a step that did not rise before")
	fs.BoolVar(&r.ignoreFailures, "ignore-failures", false, "let failure counters rise as they like")
	fs.StringVarP(&r.message, "message", "m", "", "`text` that says why, kept with the revision")
	fs.BoolVar(&r.wait, "wait", false, "wait until every connected agent has it; fail when one refuses it")
}

// plan returns the plan that was asked for, nil for all agents at once.
func (r *rollout) plan() (*sondev1.RolloutPlan, error) {
	if len(r.steps) == 0 {
		if r.maxFailures > 0 || r.ignoreFailures {
			return nil, errors.New("max-failures and ignore-failures are for a rollout in --steps")
		}
		return nil, nil
	}
	if r.maxFailures > 0 && r.ignoreFailures {
		return nil, errors.New("max-failures: there is none with --ignore-failures")
	}
	seconds := r.watch / time.Second
	if r.watch%time.Second != 0 || seconds < 1 || seconds > 86_400 {
		return nil, fmt.Errorf("watch: %v is not 1s to 24h in whole seconds", r.watch)
	}
	plan := &sondev1.RolloutPlan{WatchSeconds: uint32(seconds), MaxFailures: r.maxFailures, IgnoreFailures: r.ignoreFailures}
	for i, percent := range r.steps {
		if percent < 1 || percent > 100 || i > 0 && percent <= r.steps[i-1] {
			return nil, fmt.Errorf("steps: %d is not 1 to 100 and more than the step before", percent)
		}
		plan.StepsPercent = append(plan.StepsPercent, uint32(percent))
	}
	if last := r.steps[len(r.steps)-1]; last != 100 {
		return nil, fmt.Errorf("steps: the last is %d and must be 100", last)
	}
	return plan, nil
}

func newConfigApplyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Make a file the configuration of the fleet",
		Long: `Make a file the configuration of the fleet.

A file that is the configuration already changes nothing and makes no revision.`,
		Args: cobra.NoArgs,
	}
	var f source
	var r rollout
	f.add(cmd)
	r.add(cmd)
	return operate(cmd, func(cmd *cobra.Command, s services, _ []string) error {
		file, err := f.read(cmd.InOrStdin())
		if err != nil {
			return err
		}
		current, err := s.config.GetConfig(cmd.Context(), &sondev1.GetConfigRequest{})
		if err != nil {
			return fmt.Errorf("reading the configuration: %w", err)
		}
		changes, errs := preview(cmd.Context(), s, file.Config, file.Line)
		if len(errs) > 0 {
			return f.name(errs)
		}
		return r.apply(cmd, s, current, file.Config, len(changes))
	})
}

// change applies an edit of the newest configuration; why is the message unless
// there is one.
func (r *rollout) change(cmd *cobra.Command, s services, why string, edit func(*sondev1.FleetConfig) (*sondev1.FleetConfig, error)) error {
	if r.message == "" {
		r.message = why
	}
	current, err := s.config.GetConfig(cmd.Context(), &sondev1.GetConfigRequest{})
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	config, err := edit(current.Config)
	if err != nil {
		return err
	}
	changes, errs := preview(cmd.Context(), s, config, func(string) int { return 0 })
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return r.apply(cmd, s, current, config, len(changes))
}

// apply makes a revision of config, unless current has it already.
func (r *rollout) apply(cmd *cobra.Command, s services, current *sondev1.GetConfigResponse, config *sondev1.FleetConfig, agents int) error {
	plan, err := r.plan()
	if err != nil {
		return err
	}
	base := current.Revision.GetNumber()
	if same(current.Config, config) {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "nothing to change: this is the configuration of revision %d\n", base)
		return err
	}
	res, err := s.config.ApplyConfig(cmd.Context(), &sondev1.ApplyConfigRequest{
		Config: config, BaseRevision: base, Message: r.message, Plan: plan,
	})
	if err != nil {
		return fmt.Errorf("applying the configuration: %w", err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "revision %d changes %s\n", res.Revision.GetNumber(), count(agents, "agent"))
	return errors.Join(err, r.follow(cmd, s, res.Revision))
}

func newConfigRollbackCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollback REVISION",
		Short: "Make a new revision with the configuration of an old one",
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.ExactArgs(1)(cmd, args); err != nil {
				return err
			}
			if n, err := strconv.ParseUint(args[0], 10, 64); err != nil || n == 0 {
				return fmt.Errorf("%q is not the number of a revision", args[0])
			}
			return nil
		},
	}
	var r rollout
	r.add(cmd)
	return operate(cmd, func(cmd *cobra.Command, s services, args []string) error {
		to, err := strconv.ParseUint(args[0], 10, 64)
		if err != nil {
			return err
		}
		plan, err := r.plan()
		if err != nil {
			return err
		}
		current, err := s.config.GetConfig(cmd.Context(), &sondev1.GetConfigRequest{})
		if err != nil {
			return fmt.Errorf("reading the configuration: %w", err)
		}
		res, err := s.config.RollBack(cmd.Context(), &sondev1.RollBackRequest{
			ToRevision: to, BaseRevision: current.Revision.GetNumber(), Message: r.message, Plan: plan,
		})
		if err != nil {
			return fmt.Errorf("rolling back: %w", err)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "revision %d has the configuration of revision %d\n", res.Revision.GetNumber(), to)
		return errors.Join(err, r.follow(cmd, s, res.Revision))
	})
}

// pollInterval is how often the state of a rollout is asked for.
const pollInterval = 250 * time.Millisecond

// follow prints how a revision reaches the fleet until it has, if that was asked
// for. An error says that it has not, or that agents refused it.
func (r *rollout) follow(cmd *cobra.Command, s services, revision *sondev1.Revision) error {
	if !r.wait {
		return nil
	}
	ctx := cmd.Context()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	var before *sondev1.RolloutStatus
	for {
		res, err := s.config.ListRevisions(ctx, &sondev1.ListRevisionsRequest{PageSize: 1, Before: revision.Number + 1})
		if err != nil {
			return fmt.Errorf("following revision %d: %w", revision.Number, err)
		}
		if len(res.Revisions) == 0 || res.Revisions[0].Number != revision.Number {
			return fmt.Errorf("following revision %d: the server does not know it", revision.Number)
		}
		now := res.Revisions[0]
		if !proto.Equal(now.Rollout, before) {
			before = now.Rollout
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "revision %d: %s\n", now.Number, progress(now)); err != nil {
				return err
			}
		}
		if ended, err := settled(ctx, cmd.OutOrStdout(), s, now); ended || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("following revision %d: %w", now.Number, context.Cause(ctx))
		case <-poll.C:
		}
	}
}

// settled reports whether nothing more will become of a revision soon, and as an
// error what has become of it that should not.
func settled(ctx context.Context, w io.Writer, s services, r *sondev1.Revision) (bool, error) {
	status := r.Rollout
	switch status.GetState() {
	case sondev1.RolloutState_ROLLOUT_STATE_FAILED:
		return true, fmt.Errorf("revision %d failed and was rolled back: %s", r.Number, printable(status.Reason))
	case sondev1.RolloutState_ROLLOUT_STATE_SUPERSEDED:
		return true, fmt.Errorf("revision %d was superseded by a later one", r.Number)
	case sondev1.RolloutState_ROLLOUT_STATE_DONE:
	default:
		return false, nil
	}
	var away int
	if status.Pending > 0 {
		var connected int
		var err error
		connected, away, err = pending(ctx, s)
		// Agents may have answered since status was true.
		if err != nil || connected > 0 || away != int(status.Pending) {
			return false, err
		}
	}
	if status.Rejected > 0 {
		return true, fmt.Errorf("revision %d was rejected by %s; `sonde config status` says why", r.Number, count(int(status.Rejected), "agent"))
	}
	if away == 0 {
		return true, nil
	}
	_, err := fmt.Fprintf(w, "%s not connected and get it on return\n", count(away, "agent is", "agents are"))
	return true, err
}

// pending counts the agents that have not answered, by whether they could.
func pending(ctx context.Context, s services) (connected, away int, err error) {
	configs, err := s.config.ListAgentConfigs(ctx, &sondev1.ListAgentConfigsRequest{})
	if err != nil {
		return 0, 0, fmt.Errorf("listing what agents go by: %w", err)
	}
	agents, err := listAgents(ctx, s)
	if err != nil {
		return 0, 0, err
	}
	up := make(map[string]bool)
	for _, a := range agents {
		state := a.Status.GetState()
		up[a.Id] = state == sondev1.AgentState_AGENT_STATE_UP || state == sondev1.AgentState_AGENT_STATE_LATE
	}
	for _, c := range configs.Configs {
		switch {
		case c.State != sondev1.ConfigState_CONFIG_STATE_PENDING && c.State != sondev1.ConfigState_CONFIG_STATE_DRIFTED:
		case up[c.AgentId]:
			connected++
		default:
			away++
		}
	}
	return connected, away, nil
}

// count returns "1 agent" or "2 agents"; the plural is the one with an s unless
// it is given.
func count(n int, one string, many ...string) string {
	word := one
	switch {
	case n == 1:
	case len(many) > 0:
		word = many[0]
	default:
		word += "s"
	}
	return strconv.Itoa(n) + " " + word
}
