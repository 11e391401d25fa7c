package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// auditPage is how many entries one call asks for.
const auditPage = 1000

func newAuditCommand() *cobra.Command {
	var limit uint32
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Print who changed what, the newest first",
		Args: func(cmd *cobra.Command, args []string) error {
			if limit == 0 {
				return errors.New("limit: must be positive")
			}
			return cobra.NoArgs(cmd, args)
		},
	}
	out := addFormat(cmd.Flags(), "table", "json", "yaml")
	search := cmd.Flags().String("search", "", "only what has this `text` in who, what or to what it was done")
	cmd.Flags().Uint32Var(&limit, "limit", 100, "how many entries at most")
	return operate(cmd, func(cmd *cobra.Command, s services, _ []string) error {
		all := &sondev1.ListAuditEntriesResponse{}
		req := &sondev1.ListAuditEntriesRequest{Search: *search}
		for {
			req.PageSize = int32(min(auditPage, int(limit)-len(all.Entries)))
			res, err := s.access.ListAuditEntries(cmd.Context(), req)
			if err != nil {
				return fmt.Errorf("listing the audit log: %w", err)
			}
			all.Entries, all.More = append(all.Entries, res.Entries...), res.More
			if !res.More || len(all.Entries) >= int(limit) {
				break
			}
			req.Before = res.Entries[len(res.Entries)-1].Id
		}
		return out.print(cmd.OutOrStdout(), message{all}, func(t *table) {
			t.row("TIME", "WHO", "FROM", "WHAT", "TO", "OUTCOME", "DETAIL")
			for _, e := range all.Entries {
				outcome := e.ErrorCode
				if outcome == "" {
					outcome = "done"
				}
				t.row(instant(e.Time), e.Actor, e.Address, e.Action, e.Target, outcome, e.Detail)
			}
		})
	})
}
