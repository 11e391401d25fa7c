package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

func newConfigHistoryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the revisions, the newest first",
		Args:  cobra.NoArgs,
	}
	limit := cmd.Flags().Uint16P("limit", "n", 20, "how `many`, at most 1000")
	out := addFormat(cmd.Flags(), "table", "json", "yaml")
	return operate(cmd, func(cmd *cobra.Command, s services, _ []string) error {
		res, err := s.config.ListRevisions(cmd.Context(), &sondev1.ListRevisionsRequest{PageSize: int32(*limit)})
		if err != nil {
			return fmt.Errorf("listing revisions: %w", err)
		}
		return out.print(cmd.OutOrStdout(), message{res}, func(t *table) {
			t.row("REVISION", "CREATED", "AUTHOR", "ROLLOUT", "MESSAGE")
			for _, r := range res.Revisions {
				text := r.Message
				if r.RollbackOf != 0 {
					text = strings.TrimSpace(fmt.Sprintf("(back to %d) %s", r.RollbackOf, text))
				}
				t.row(strconv.FormatUint(r.Number, 10), instant(r.CreatedAt), r.Author, progress(r), text)
			}
		})
	})
}

// progress says how far a revision has come, in one line.
func progress(r *sondev1.Revision) string {
	s := r.Rollout
	text := word(s.GetState(), "ROLLOUT_STATE_")
	if steps := len(r.Plan.GetStepsPercent()); steps > 1 && s.GetState() == sondev1.RolloutState_ROLLOUT_STATE_RUNNING {
		text += fmt.Sprintf(", step %d of %d", s.Step+1, steps)
	}
	for _, part := range []struct {
		n    uint32
		what string
	}{{s.GetApplied(), "applied"}, {s.GetPending(), "pending"}, {s.GetRejected(), "rejected"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	if s.GetReason() != "" {
		text += ": " + printable(s.Reason)
	}
	return text
}

func newConfigStatusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [AGENT]",
		Short: "List what each agent has made of its configuration",
		Args:  cobra.MaximumNArgs(1),
	}
	out := addFormat(cmd.Flags(), "table", "json", "yaml")
	return operate(cmd, func(cmd *cobra.Command, s services, args []string) error {
		agents, err := listAgents(cmd.Context(), s)
		if err != nil {
			return err
		}
		var req sondev1.ListAgentConfigsRequest
		if len(args) > 0 {
			a, err := find(agents, args[0])
			if err != nil {
				return err
			}
			req.AgentId = a.Id
		}
		res, err := s.config.ListAgentConfigs(cmd.Context(), &req)
		if err != nil {
			return fmt.Errorf("listing what agents go by: %w", err)
		}
		names := make(map[string]string)
		for _, a := range agents {
			names[a.Id] = a.Name
		}
		return out.print(cmd.OutOrStdout(), message{res}, func(t *table) {
			t.row("AGENT", "STATE", "REVISION", "SINCE", "ERRORS")
			for _, c := range res.Configs {
				revision := ""
				if c.Revision != 0 {
					revision = strconv.FormatUint(c.Revision, 10)
				}
				t.row(names[c.AgentId], word(c.State, "CONFIG_STATE_"), revision, instant(c.ChangedAt), reasons(c.Errors))
			}
		})
	})
}

func reasons(errs []*sondev1.FieldError) string {
	var list []string
	for _, e := range errs {
		list = append(list, strings.TrimPrefix(e.Field+": "+e.Message, ": "))
	}
	return strings.Join(list, "; ")
}
