// Command sonde-agent measures the host it runs on and submits to a Sonde
// server. See `sonde-agent --help`.
package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"sonde.dev/sonde/agent"
	"sonde.dev/sonde/internal/buildinfo"
	"sonde.dev/sonde/internal/command"
	"sonde.dev/sonde/internal/logging"
	"sonde.dev/sonde/internal/setting"
)

func main() {
	// What an agent does in a second takes about 2 ms. Shared out over several
	// threads it takes longer, since to wake one costs as much as a collector. And
	// an agent that has much to do takes no more than one core.
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
	command.Main(newCommand())
}

func newCommand() *cobra.Command {
	var config agent.Config
	var log logging.Flags
	cmd := &cobra.Command{
		Use:   "sonde-agent --server URL --join-token-file FILE",
		Short: "Measure this host and probe latency, and submit to a Sonde server",
		Long: `Measure this host and probe latency, and submit to a Sonde server.

Every flag can also be given as a variable (--state-dir is SONDE_AGENT_STATE_DIR)
or as a key of the YAML file that --config names (state-dir: …). A flag wins over
a variable, a variable over the file.`,
		Version: buildinfo.String(),
		Args:    cobra.NoArgs,
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&config.Server, "server", "", "`URL` of the server, or several separated by commas")
	fs.StringVar(&config.ServerCA, "server-ca", "", "PEM `file` of the authorities to trust for https (default the system's)")
	fs.StringVar(&config.JoinToken, "join-token", "", "`token` to enrol with at the first start")
	setting.Hide(fs, "join-token")
	fs.StringVar(&config.JoinTokenFile, "join-token-file", "", "`file` with the token to enrol with at the first start")
	fs.StringVar(&config.StateDir, "state-dir", defaultStateDir(), "`folder` for the agent's identity, what its server decided, and samples that no server has acknowledged")
	fs.DurationVar(&config.SubmissionInterval, "submission-interval", time.Second, "how often a batch leaves, 100ms to 10m")
	fs.StringSliceVar(&config.Collectors, "collectors", nil, "settings of collectors, such as `cpu=200ms,processes=off`")
	fs.StringSliceVar(&config.DefaultProbes, "default-probes", nil, "which of the default probes run: `server,server-tcp,gateway,resolver,disk,sched` (default all), or none")
	fs.StringVar(&config.ProbesFile, "probes-file", "", "YAML `file` with a list of further probes")
	fs.StringVar(&config.PolicyFile, "policy-file", "", "YAML `file` that bounds what a server may ask (default: disk probes in the state folder only, 100 attempts of probes a second)")
	fs.Int64Var(&config.SpoolMaxBytes, "spool-max-bytes", 1<<30, "how much disk samples may take that no server has acknowledged, 16 MiB to 1 TiB; beyond it the oldest go")
	fs.DurationVar(&config.SpoolMaxAge, "spool-max-age", 7*24*time.Hour, "how old they may grow there, 1m to 8784h")
	fs.DurationVar(&config.SpoolFlushAfter, "spool-flush-after", 10*time.Second, "how long samples wait in memory for their acknowledgement before they go to disk, up to 1h; 0 writes every batch at once")
	fs.Int64Var(&config.SpoolMemoryBytes, "spool-memory-bytes", 4<<20, "how much memory such samples may take, 2 MiB to 1 GiB")
	fs.StringVar(&config.ProcRoot, "proc-root", "/proc", "where the host's /proc is")
	fs.StringVar(&config.SysRoot, "sys-root", "/sys", "where the host's /sys is")
	fs.StringVar(&config.RootFS, "root-fs", "/", "where the host's root file system is")
	log.Add(fs)
	setting.AddFlags(fs)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := setting.Load(fs, "SONDE_AGENT", os.Environ()); err != nil {
			return err
		}
		logger, err := log.Logger(cmd.ErrOrStderr())
		if err := errors.Join(err, config.Check()); err != nil {
			return err
		}
		if done, err := setting.Inspected(cmd.OutOrStdout(), fs); done {
			return command.Failure(err)
		}
		config.Logger = logger
		go log.ToggleOnSignal(cmd.Context())
		return command.Failure(run(cmd.Context(), config))
	}
	return cmd
}

func run(ctx context.Context, config agent.Config) error {
	a, err := agent.New(config)
	if err != nil {
		return err
	}
	config.Logger.Info("agent began", "version", buildinfo.Version(), "server", config.Server, "state_dir", config.StateDir)
	if err := a.Run(ctx); err != nil {
		return err
	}
	config.Logger.Info("agent ended")
	return nil
}

// defaultStateDir follows the XDG base directories for people and the FHS for
// root.
func defaultStateDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/sonde-agent"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "sonde-agent")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "state", "sonde-agent")
}
