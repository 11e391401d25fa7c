package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sonde.dev/sonde/internal/fleetconfig"
	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

func newAgentsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "agents",
		Short: "List, name and remove agents",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newAgentsListCommand(), newAgentsShowCommand(), newAgentsLabelCommand(), newAgentsRenameCommand(), newAgentsRemoveCommand())
	return cmd
}

// listAgents returns every agent in the order of their names.
func listAgents(ctx context.Context, s services) ([]*sondev1.Agent, error) {
	var agents []*sondev1.Agent
	req := &sondev1.ListAgentsRequest{}
	for {
		res, err := s.fleet.ListAgents(ctx, req)
		if err != nil {
			return nil, fmt.Errorf("listing agents: %w", err)
		}
		agents = append(agents, res.Agents...)
		if req.PageToken = res.NextPageToken; req.PageToken == "" {
			return agents, nil
		}
	}
}

// find returns the agent of an id or, else, of a name.
func find(agents []*sondev1.Agent, idOrName string) (*sondev1.Agent, error) {
	for _, key := range []func(*sondev1.Agent) string{(*sondev1.Agent).GetId, (*sondev1.Agent).GetName} {
		for _, a := range agents {
			if key(a) == idOrName {
				return a, nil
			}
		}
	}
	return nil, fmt.Errorf("there is no agent of the name or id %q", idOrName)
}

func findAgent(ctx context.Context, s services, idOrName string) (*sondev1.Agent, error) {
	agents, err := listAgents(ctx, s)
	if err != nil {
		return nil, err
	}
	return find(agents, idOrName)
}

func newAgentsListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the agents",
		Args:  cobra.NoArgs,
	}
	out := addFormat(cmd.Flags(), "table", "json", "yaml")
	return operate(cmd, func(cmd *cobra.Command, s services, _ []string) error {
		agents, err := listAgents(cmd.Context(), s)
		if err != nil {
			return err
		}
		return out.print(cmd.OutOrStdout(), message{&sondev1.ListAgentsResponse{Agents: agents}}, func(t *table) {
			t.row("NAME", "STATE", "LABELS", "LAST SEEN", "ADDRESS", "VERSION", "ID")
			for _, a := range agents {
				t.row(a.Name, word(a.Status.GetState(), "AGENT_STATE_"), pairs(a.Labels),
					instant(a.Status.GetLastSeenAt()), a.Status.GetAddress(), a.Host.GetAgentVersion(), a.Id)
			}
		})
	})
}

// pairs writes labels as k=v,k=v.
func pairs(labels map[string]string) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		list = append(list, k+"="+labels[k])
	}
	return strings.Join(list, ",")
}

func newAgentsShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show AGENT",
		Short: "Print all that is known of an agent, by id or name",
		Args:  cobra.ExactArgs(1),
	}
	out := addFormat(cmd.Flags(), "table", "json", "yaml")
	return operate(cmd, func(cmd *cobra.Command, s services, args []string) error {
		a, err := findAgent(cmd.Context(), s, args[0])
		if err != nil {
			return err
		}
		res, err := s.config.ListAgentConfigs(cmd.Context(), &sondev1.ListAgentConfigsRequest{AgentId: a.Id})
		if err != nil {
			return fmt.Errorf("listing what the agent goes by: %w", err)
		}
		config := &sondev1.AgentConfig{}
		if len(res.Configs) > 0 {
			config = res.Configs[0]
		}
		all := map[string]message{"agent": {a}, "config": {config}}
		return out.print(cmd.OutOrStdout(), all, func(t *table) { showAgent(t, a, config) })
	})
}

func showAgent(t *table, a *sondev1.Agent, c *sondev1.AgentConfig) {
	h, s := a.Host, a.Status
	t.row("name", a.Name)
	t.row("id", a.Id)
	t.row("state", word(s.GetState(), "AGENT_STATE_"))
	t.row("labels", pairs(a.Labels))
	t.row("enrolled", instant(a.EnrolledAt))
	t.row("last seen", instant(s.GetLastSeenAt()))
	t.row("connected since", instant(s.GetConnectedAt()))
	t.row("address", s.GetAddress())
	t.row("last error", s.GetLastError())
	t.row("version", h.GetAgentVersion())
	t.row("host", strings.TrimSpace(fmt.Sprintf("%s %s %s %s", h.GetHostname(), h.GetOsRelease(), h.GetKernel(), h.GetArch())))
	t.row("submission interval", fleetconfig.FormatDuration(s.GetSubmissionIntervalMs()))
	t.row("series", strconv.FormatUint(uint64(s.GetSeries()), 10))
	t.row("configuration", word(c.State, "CONFIG_STATE_"))
	t.row("revision", strconv.FormatUint(c.Revision, 10))
	t.row("errors", reasons(c.Errors))
	for _, path := range slices.Sorted(maps.Keys(c.Provenance)) {
		t.row(path, settingText(c.Settings, path)+" (policy "+c.Provenance[path]+")")
	}
}

// settingText writes the setting of a path of [sondev1.AgentConfig.Provenance].
func settingText(s *sondev1.Settings, path string) string {
	keys := strings.Split(path, ".")
	switch {
	case path == "submission_interval_ms":
		return fleetconfig.FormatDuration(s.GetSubmissionIntervalMs())
	case keys[0] == "collectors" && keys[len(keys)-1] == "enabled":
		return strconv.FormatBool(s.GetCollectors()[keys[1]].GetEnabled())
	case keys[0] == "collectors" && keys[len(keys)-1] == "interval_ms":
		return fleetconfig.FormatDuration(s.GetCollectors()[keys[1]].GetIntervalMs())
	case keys[0] == "probes" && len(keys) == 2:
		p := s.GetProbes()[keys[1]]
		if p.GetDisabled() {
			return "off"
		}
		return strings.Join(strings.Fields(fmt.Sprintf("%s %s every %s", p.GetKind(), p.GetTarget(), fleetconfig.FormatDuration(p.GetIntervalMs()))), " ")
	}
	return ""
}

func newAgentsLabelCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "label AGENT KEY=VALUE… KEY-…",
		Short: "Give an agent labels, and take labels with a - behind them away",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return errors.New("an agent and at least one KEY=VALUE or KEY- are needed")
			}
			return relabel(map[string]string{}, args[1:])
		},
	}
	return operate(cmd, func(cmd *cobra.Command, s services, args []string) error {
		a, err := findAgent(cmd.Context(), s, args[0])
		if err != nil {
			return err
		}
		labels := make(map[string]string)
		maps.Copy(labels, a.Labels)
		if err := relabel(labels, args[1:]); err != nil {
			return err
		}
		res, err := s.fleet.UpdateAgent(cmd.Context(), &sondev1.UpdateAgentRequest{Id: a.Id, Labels: &sondev1.AgentLabels{Labels: labels}})
		if err != nil {
			return fmt.Errorf("labelling %s: %w", a.Name, err)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", printable(res.Agent.GetName()), printable(pairs(res.Agent.GetLabels())))
		return err
	})
}

// relabel changes labels by KEY=VALUE and KEY-.
func relabel(labels map[string]string, changes []string) error {
	for _, change := range changes {
		key, value, sets := strings.Cut(change, "=")
		if !sets {
			key, sets = strings.CutSuffix(change, "-")
			if !sets {
				return fmt.Errorf("%q is neither KEY=VALUE nor KEY-", change)
			}
			delete(labels, key)
			continue
		}
		if key == "" {
			return fmt.Errorf("%q has no key", change)
		}
		labels[key] = value
	}
	return nil
}

func newAgentsRenameCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rename AGENT NAME",
		Short: "Give an agent another name",
		Args:  cobra.ExactArgs(2),
	}
	return operate(cmd, func(cmd *cobra.Command, s services, args []string) error {
		a, err := findAgent(cmd.Context(), s, args[0])
		if err != nil {
			return err
		}
		if _, err := s.fleet.UpdateAgent(cmd.Context(), &sondev1.UpdateAgentRequest{Id: a.Id, Name: &args[1]}); err != nil {
			return fmt.Errorf("renaming %s: %w", a.Name, err)
		}
		return nil
	})
}

func newAgentsRemoveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove AGENT",
		Short: "Revoke an agent's credential and take it off the list; its samples stay",
		Args:  cobra.ExactArgs(1),
	}
	yes := addYes(cmd.Flags())
	return operate(cmd, func(cmd *cobra.Command, s services, args []string) error {
		a, err := findAgent(cmd.Context(), s, args[0])
		if err != nil {
			return err
		}
		if err := yes.confirm(cmd, fmt.Sprintf("Remove %s (%s)?", printable(a.Name), a.Id)); err != nil {
			return fmt.Errorf("not removed: %w", err)
		}
		if _, err := s.fleet.RemoveAgent(cmd.Context(), &sondev1.RemoveAgentRequest{Id: a.Id}); err != nil {
			return fmt.Errorf("removing %s: %w", a.Name, err)
		}
		return nil
	})
}

// confirm asks a person, and returns an error unless the answer is yes.
func confirm(in io.Reader, out io.Writer, question string) error {
	file, ok := in.(*os.File)
	if !ok {
		return errors.New("the standard input is no terminal: say --yes")
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return errors.New("the standard input is no terminal: say --yes")
	}
	fmt.Fprint(out, question, " [y/N] ")
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		return errors.New("nobody answered: say --yes")
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return errors.New("the answer was not yes")
	}
	return nil
}
