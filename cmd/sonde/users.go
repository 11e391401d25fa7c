package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

func newUsersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "users",
		Short: "List, invite, change and remove the people who may come in",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newUsersListCommand(), newUsersCreateCommand(), newUsersUpdateCommand(), newUsersLinkCommand(), newUsersRemoveCommand())
	return cmd
}

// role is the flag of a role.
type role sondev1.Role

func addRole(fs *pflag.FlagSet, value role, usage string) *role {
	r := &value
	fs.Var(r, "role", usage+": viewer, operator or admin")
	return r
}

func (r *role) String() string {
	if *r == 0 {
		return ""
	}
	return roleWord(sondev1.Role(*r))
}
func (r *role) Type() string { return "role" }

func (r *role) Set(text string) error {
	value, ok := sondev1.Role_value["ROLE_"+strings.ToUpper(text)]
	if !ok || value == 0 {
		return fmt.Errorf("must be viewer, operator or admin")
	}
	*r = role(value)
	return nil
}

func roleWord(r sondev1.Role) string { return word(r, "ROLE_") }

func newUsersListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the users",
		Args:  cobra.NoArgs,
	}
	out := addFormat(cmd.Flags(), "table", "json", "yaml")
	return operate(cmd, func(cmd *cobra.Command, s services, _ []string) error {
		res, err := s.access.ListUsers(cmd.Context(), &sondev1.ListUsersRequest{})
		if err != nil {
			return fmt.Errorf("listing users: %w", err)
		}
		return out.print(cmd.OutOrStdout(), message{res}, func(t *table) {
			t.row("NAME", "ROLE", "STATE", "SIGNS IN BY", "LAST SIGN-IN", "CREATED", "ID")
			for _, u := range res.Users {
				t.row(u.Name, roleWord(u.Role), userState(u), signsInBy(u), instant(u.LastSignInAt), instant(u.CreatedAt), u.Id)
			}
		})
	})
}

func userState(u *sondev1.User) string {
	if u.Disabled {
		return "disabled"
	}
	return "active"
}

func signsInBy(u *sondev1.User) string {
	switch {
	case u.Issuer != "":
		return u.Issuer
	case u.HasPassword:
		return "password"
	}
	return "link"
}

// findUser returns the user of a name, whatever the case of its letters, or an id.
func findUser(ctx context.Context, s services, nameOrID string) (*sondev1.User, error) {
	res, err := s.access.ListUsers(ctx, &sondev1.ListUsersRequest{})
	if err != nil {
		return nil, fmt.Errorf("listing users: %w", err)
	}
	for _, u := range res.Users {
		if u.Id == nameOrID || strings.EqualFold(u.Name, nameOrID) {
			return u, nil
		}
	}
	return nil, fmt.Errorf("there is no user of the name or id %q", nameOrID)
}

func newUsersCreateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Add a person, and print the link with which the person comes in and chooses a password",
		Args:  cobra.ExactArgs(1),
	}
	role := addRole(cmd.Flags(), role(sondev1.Role_ROLE_VIEWER), "what the person may do")
	return operate(cmd, func(cmd *cobra.Command, s services, args []string) error {
		res, err := s.access.CreateUser(cmd.Context(), &sondev1.CreateUserRequest{Name: args[0], Role: sondev1.Role(*role)})
		if err != nil {
			return fmt.Errorf("creating %s: %w", args[0], err)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s%s\n", s.server, res.LoginPath)
		return err
	})
}

func newUsersUpdateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "update USER",
		Short: "Give a user another role, or disable or enable the user",
		Args:  cobra.ExactArgs(1),
	}
	role := addRole(cmd.Flags(), 0, "what the user may do from now on")
	disabled := cmd.Flags().Bool("disabled", false, "end all sessions of the user, and let none begin; --disabled=false lets them begin again")
	return operate(cmd, func(cmd *cobra.Command, s services, args []string) error {
		u, err := findUser(cmd.Context(), s, args[0])
		if err != nil {
			return err
		}
		req := &sondev1.UpdateUserRequest{Id: u.Id, Role: sondev1.Role(*role)}
		if cmd.Flags().Changed("disabled") {
			req.Disabled = disabled
		}
		res, err := s.access.UpdateUser(cmd.Context(), req)
		if err != nil {
			return fmt.Errorf("changing %s: %w", u.Name, err)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %s\n", printable(res.User.GetName()), roleWord(res.User.GetRole()), userState(res.User))
		return err
	})
}

func newUsersLinkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "login-link USER",
		Short: "Print a link that signs the user in, once, and lets the user choose a new password",
		Args:  cobra.ExactArgs(1),
	}
	return operate(cmd, func(cmd *cobra.Command, s services, args []string) error {
		u, err := findUser(cmd.Context(), s, args[0])
		if err != nil {
			return err
		}
		res, err := s.access.CreateLoginLink(cmd.Context(), &sondev1.CreateLoginLinkRequest{UserId: u.Id})
		if err != nil {
			return fmt.Errorf("making a link for %s: %w", u.Name, err)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s%s\n", s.server, res.Path)
		return err
	})
}

func newUsersRemoveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove USER",
		Short: "Remove a user and end all sessions of the user",
		Args:  cobra.ExactArgs(1),
	}
	yes := addYes(cmd.Flags())
	return operate(cmd, func(cmd *cobra.Command, s services, args []string) error {
		u, err := findUser(cmd.Context(), s, args[0])
		if err != nil {
			return err
		}
		if err := yes.confirm(cmd, fmt.Sprintf("Remove the user %s?", printable(u.Name))); err != nil {
			return fmt.Errorf("not removed: %w", err)
		}
		if _, err := s.access.RemoveUser(cmd.Context(), &sondev1.RemoveUserRequest{Id: u.Id}); err != nil {
			return fmt.Errorf("removing %s: %w", u.Name, err)
		}
		return nil
	})
}
