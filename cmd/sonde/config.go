package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"sonde.dev/sonde/internal/fleetconfig"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

func newConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Read and change what the agents are told to do",
		Long: `Read and change what the agents are told to do.

The configuration of the fleet is a list of policies, each with settings for the
agents that it selects by their labels. Every change makes a new revision.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(
		newConfigGetCommand(), newConfigSetCommand(), newConfigUnsetCommand(),
		newConfigCheckCommand(), newConfigDiffCommand(), newConfigApplyCommand(),
		newConfigHistoryCommand(), newConfigRollbackCommand(), newConfigStatusCommand(),
	)
	return cmd
}

func newConfigGetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get",
		Short: "Print the configuration, as a file that apply takes",
		Args:  cobra.NoArgs,
	}
	revision := cmd.Flags().Uint64("revision", 0, "`number` of a revision; 0 for the newest")
	out := addFormat(cmd.Flags(), "yaml", "json")
	return operate(cmd, func(cmd *cobra.Command, s services, _ []string) error {
		res, err := s.config.GetConfig(cmd.Context(), &sondev1.GetConfigRequest{Revision: *revision})
		if err != nil {
			return fmt.Errorf("reading the configuration: %w", err)
		}
		write := fleetconfig.Format
		if out.word == "json" {
			write = fleetconfig.FormatJSON
		}
		text, err := write(res.Config)
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(text)
		return err
	})
}

// allPolicy is the policy that set changes unless told otherwise.
const allPolicy = "all"

func newConfigSetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set PATH VALUE",
		Short: "Change one setting of a policy",
		Example: `  sonde config set submission_interval 10s
  sonde config set collectors.cpu.interval 200ms
  sonde config set collectors.processes.enabled false --policy databases
  sonde config set probes.website '{kind: http, target: https://www.example.org/, interval: 5s}'`,
		Args: cobra.ExactArgs(2),
	}
	policy := cmd.Flags().String("policy", allPolicy, "`name` of the policy; made, for every agent, where there is none")
	var r rollout
	r.add(cmd)
	return operate(cmd, func(cmd *cobra.Command, s services, args []string) error {
		return r.change(cmd, s, fmt.Sprintf("set %s to %s in %s", args[0], args[1], *policy),
			func(c *sondev1.FleetConfig) (*sondev1.FleetConfig, error) {
				return fleetconfig.Set(c, *policy, args[0], args[1])
			})
	})
}

func newConfigUnsetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unset PATH",
		Short: "Take one setting out of a policy",
		Args:  cobra.ExactArgs(1),
	}
	policy := cmd.Flags().String("policy", allPolicy, "`name` of the policy")
	var r rollout
	r.add(cmd)
	return operate(cmd, func(cmd *cobra.Command, s services, args []string) error {
		return r.change(cmd, s, fmt.Sprintf("unset %s in %s", args[0], *policy),
			func(c *sondev1.FleetConfig) (*sondev1.FleetConfig, error) {
				return fleetconfig.Unset(c, *policy, args[0])
			})
	})
}

// source is the file that a command reads.
type source struct{ path string }

func (f *source) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.path, "file", "f", "", "YAML `file` with the configuration; - for the standard input")
	if err := cmd.MarkFlagRequired("file"); err != nil {
		panic(err) // no flag of that name
	}
}

// read returns the configuration in the file.
func (f *source) read(stdin io.Reader) (*fleetconfig.File, error) {
	in := stdin
	if f.path != "-" {
		file, err := os.Open(f.path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, fleetconfig.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.path, err)
	}
	parsed, err := fleetconfig.Parse(text)
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return nil, f.name(joined.Unwrap())
	}
	if err != nil {
		return nil, f.name([]error{err})
	}
	return parsed, nil
}

// name puts the file's name before each error.
func (f *source) name(errs []error) error {
	for i, err := range errs {
		errs[i] = fmt.Errorf("%s: %w", f.path, err)
	}
	return errors.Join(errs...)
}

// preview asks the server what a configuration would change, and returns what is
// wrong with it as an error.
func preview(ctx context.Context, s services, c *sondev1.FleetConfig, line func(path string) int) ([]*sondev1.AgentChange, []error) {
	res, err := s.config.PreviewConfig(ctx, &sondev1.PreviewConfigRequest{Config: c})
	if err != nil {
		return nil, []error{fmt.Errorf("checking the configuration: %w", err)}
	}
	var errs []error
	for _, e := range res.Errors {
		errs = append(errs, &fleetconfig.Error{Line: line(e.Field), Path: e.Field, Reason: e.Message})
	}
	return res.Changes, errs
}

func newConfigCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Let the server check a file and list all that is wrong",
		Args:  cobra.NoArgs,
	}
	var f source
	f.add(cmd)
	return operate(cmd, func(cmd *cobra.Command, s services, _ []string) error {
		file, err := f.read(cmd.InOrStdin())
		if err != nil {
			return err
		}
		_, errs := preview(cmd.Context(), s, file.Config, file.Line)
		return f.name(errs)
	})
}
