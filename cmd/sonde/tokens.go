package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

func newTokensCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tokens",
		Short: "List, make and revoke API tokens, with which programs come in",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newTokensListCommand(), newTokensCreateCommand(), newTokensRevokeCommand())
	return cmd
}

func newTokensListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the API tokens",
		Args:  cobra.NoArgs,
	}
	out := addFormat(cmd.Flags(), "table", "json", "yaml")
	return operate(cmd, func(cmd *cobra.Command, s services, _ []string) error {
		res, err := s.access.ListApiTokens(cmd.Context(), &sondev1.ListApiTokensRequest{})
		if err != nil {
			return fmt.Errorf("listing API tokens: %w", err)
		}
		return out.print(cmd.OutOrStdout(), message{res}, func(t *table) {
			t.row("NAME", "ROLE", "CREATED", "BY", "EXPIRES", "LAST USED")
			for _, k := range res.Tokens {
				t.row(k.Name, roleWord(k.Role), instant(k.CreatedAt), k.CreatedBy, instant(k.ExpiresAt), instant(k.LastUsedAt))
			}
		})
	})
}

func newTokensCreateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an API token and print it, once",
		Args:  cobra.ExactArgs(1),
	}
	role := addRole(cmd.Flags(), role(sondev1.Role_ROLE_VIEWER), "what a program with it may do")
	life := addLifetime(cmd.Flags(), 90*24*time.Hour)
	return operate(cmd, func(cmd *cobra.Command, s services, args []string) error {
		res, err := s.access.CreateApiToken(cmd.Context(), &sondev1.CreateApiTokenRequest{
			Name: args[0], Role: sondev1.Role(*role), LifetimeSeconds: life.seconds(),
		})
		if err != nil {
			return fmt.Errorf("creating %s: %w", args[0], err)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), res.Secret)
		return err
	})
}

func newTokensRevokeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke NAME",
		Short: "Make an API token useless at once",
		Args:  cobra.ExactArgs(1),
	}
	yes := addYes(cmd.Flags())
	return operate(cmd, func(cmd *cobra.Command, s services, args []string) error {
		if err := yes.confirm(cmd, fmt.Sprintf("Revoke the API token %s?", printable(args[0]))); err != nil {
			return fmt.Errorf("not revoked: %w", err)
		}
		if _, err := s.access.RevokeApiToken(cmd.Context(), &sondev1.RevokeApiTokenRequest{Name: args[0]}); err != nil {
			return fmt.Errorf("revoking %s: %w", args[0], err)
		}
		return nil
	})
}

func newJoinTokensCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "join-tokens",
		Short: "List, make and revoke join tokens, with which agents enrol",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newJoinTokensListCommand(), newJoinTokensCreateCommand(), newJoinTokensRevokeCommand())
	return cmd
}

func newJoinTokensListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the join tokens",
		Args:  cobra.NoArgs,
	}
	out := addFormat(cmd.Flags(), "table", "json", "yaml")
	return operate(cmd, func(cmd *cobra.Command, s services, _ []string) error {
		res, err := s.access.ListJoinTokens(cmd.Context(), &sondev1.ListJoinTokensRequest{})
		if err != nil {
			return fmt.Errorf("listing join tokens: %w", err)
		}
		return out.print(cmd.OutOrStdout(), message{res}, func(t *table) {
			t.row("NAME", "USES", "USES LEFT", "EXPIRES", "LABELS", "FOR AGENT", "CREATED", "BY")
			for _, k := range res.Tokens {
				left := "any"
				if k.UsesLeft != nil {
					left = strconv.FormatUint(uint64(*k.UsesLeft), 10)
				}
				t.row(k.Name, strconv.FormatUint(uint64(k.Uses), 10), left, instant(k.ExpiresAt), pairs(k.Labels),
					k.AgentId, instant(k.CreatedAt), k.CreatedBy)
			}
		})
	})
}

func newJoinTokensCreateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create [NAME]",
		Short: "Make a join token and print it, once",
		Args:  cobra.MaximumNArgs(1),
	}
	fs := cmd.Flags()
	uses := fs.Uint32("uses", 1, "how many agents may enrol with it; 0 for any number")
	life := addLifetime(fs, time.Hour)
	labels := fs.StringToString("label", nil, "label of the agents that enrol with it, as `KEY=VALUE`; may be given more than once")
	agent := fs.String("agent", "", "the one `agent`, by id or name, that may enrol with it and stays who it is")
	return operate(cmd, func(cmd *cobra.Command, s services, args []string) error {
		req := &sondev1.CreateJoinTokenRequest{LifetimeSeconds: life.seconds(), Uses: *uses, Labels: *labels}
		if len(args) > 0 {
			req.Name = args[0]
		}
		if *agent != "" {
			a, err := findAgent(cmd.Context(), s, *agent)
			if err != nil {
				return err
			}
			req.AgentId = a.Id
		}
		res, err := s.access.CreateJoinToken(cmd.Context(), req)
		if err != nil {
			return fmt.Errorf("creating a join token: %w", err)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), res.Secret)
		return err
	})
}

func newJoinTokensRevokeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke NAME",
		Short: "Let no agent enrol with a join token any more; those that have go on",
		Args:  cobra.ExactArgs(1),
	}
	return operate(cmd, func(cmd *cobra.Command, s services, args []string) error {
		if _, err := s.access.RevokeJoinToken(cmd.Context(), &sondev1.RevokeJoinTokenRequest{Name: args[0]}); err != nil {
			return fmt.Errorf("revoking %s: %w", args[0], err)
		}
		return nil
	})
}

// lifetime is the flag of how long something works.
type lifetime time.Duration

func addLifetime(fs *pflag.FlagSet, value time.Duration) *lifetime {
	l := lifetime(value)
	fs.Var(&l, "lifetime", "how long it works, in whole seconds; 0s for without end")
	return &l
}

func (l *lifetime) String() string { return time.Duration(*l).String() }
func (l *lifetime) Type() string   { return "duration" }

func (l *lifetime) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		return errors.New("must be a duration such as 1h or 720h")
	}
	if d < 0 || d%time.Second != 0 || d/time.Second > math.MaxUint32 {
		return errors.New("must be whole seconds, and at most ten years")
	}
	*l = lifetime(d)
	return nil
}

func (l *lifetime) seconds() uint32 { return uint32(time.Duration(*l) / time.Second) }

// yes is the flag that answers a question before it is asked.
type yes struct{ said *bool }

func addYes(fs *pflag.FlagSet) yes {
	return yes{fs.BoolP("yes", "y", false, "do not ask; needed where nobody can answer")}
}

func (y yes) confirm(cmd *cobra.Command, question string) error {
	if *y.said {
		return nil
	}
	return confirm(cmd.InOrStdin(), cmd.ErrOrStderr(), question)
}
