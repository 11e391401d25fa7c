// Command sonde is the Sonde server and its operator's tools. See `sonde
// --help`.
package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sonde.dev/sonde/internal/buildinfo"
	"sonde.dev/sonde/internal/command"
)

func main() { command.Main(newCommand()) }

func newCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "sonde",
		Short:   "Measure a fleet and show it live",
		Version: buildinfo.String(),
		Args:    cobra.NoArgs,
	}
	cmd.AddCommand(newServerCommand(), newConfigCommand(), newAgentsCommand(), newUsersCommand(), newTokensCommand(),
		newJoinTokensCommand(), newAuditCommand(), newLoginLinkCommand(), newBenchCommand())
	return cmd
}

// defaultDataDir follows the XDG base directories for people and the FHS for
// root.
func defaultDataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/sonde"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "sonde")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "share", "sonde")
}
