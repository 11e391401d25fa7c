package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"sonde.dev/sonde/internal/command"
	"sonde.dev/sonde/internal/logging"
	"sonde.dev/sonde/internal/setting"
	"sonde.dev/sonde/server"
)

func newServerCommand() *cobra.Command {
	var config server.Config
	var log logging.Flags
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Take samples from agents, keep them and show them",
		Long: `Take samples from agents, keep them and show them.

The first start writes two secrets into the data directory: join-token, with
which agents enrol, and admin-token, an API token that may do everything. Every
start prints a link that signs one browser in.

Every flag can also be given as a variable (--data-dir is SONDE_DATA_DIR) or as a
key of the YAML file that --config names (data-dir: …). A flag wins over a
variable, a variable over the file.`,
		Args: cobra.NoArgs,
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&config.DataDir, "data-dir", defaultDataDir(), "`folder` for everything that the server keeps")
	fs.StringVar(&config.Database, "database", "", "postgres:// `URL` of the database for agents, people and configuration (default: SQLite in --data-dir)")
	fs.StringVar(&config.DatabaseFile, "database-file", "", "`file` that holds the URL instead, so that its password is on no command line")
	fs.StringVar(&config.JoinTokenFile, "join-token-file", "", "`file` that holds the join token, in place of join-token in --data-dir; it is only read")
	fs.StringVar(&config.AdminTokenFile, "admin-token-file", "", "`file` that holds the admin token, in place of admin-token in --data-dir; it is only read")
	fs.StringVar(&config.Listen, "listen", "127.0.0.1:7070", "`address` to listen on")
	fs.StringVar(&config.TLS, "tls", server.TLSAuto, "auto: with --tls-cert, or else by an authority of the server's own, but on loopback without; own: by that authority on any address; off: without, on any address")
	fs.StringVar(&config.TLSCert, "tls-cert", "", "PEM `file` of the certificate; it and its key are read again when they change")
	fs.StringVar(&config.TLSKey, "tls-key", "", "PEM `file` of its key")
	fs.StringSliceVar(&config.TLSNames, "tls-names", nil, "further host `names` and addresses in a certificate of the server's own authority")
	fs.StringVar(&config.PublicURL, "public-url", "", "`URL` under which people reach the server (default made from --listen)")
	fs.StringSliceVar(&config.TrustedProxies, "trusted-proxies", nil, "`addresses` and networks of proxies that are believed when they say for whom they come, by the PROXY protocol or X-Forwarded-For")
	fs.StringSliceVar(&config.WebOrigins, "web-origins", nil, "`origins` of static hosts that have the web application too, such as https://sonde.example")
	fs.DurationVar(&config.Retention, "retention", 30*24*time.Hour, "how long samples are kept as they were taken")
	fs.DurationVar(&config.RetentionMinutes, "retention-1m", 180*24*time.Hour, "how long they are kept rolled up by the minute, never shorter than that; 0s for not at all")
	fs.DurationVar(&config.RetentionHours, "retention-1h", 5*365*24*time.Hour, "how long they are kept rolled up by the hour, never shorter than that; 0s for not at all")
	fs.Int64Var(&config.RetentionBytes, "retention-bytes", 0, "how many bytes samples as they were taken may use on disk; 0 for no bound")
	fs.StringVar(&config.Metrics.Write, "metrics-write", "", "`URL` of a store that takes Prometheus remote write, for samples in place of the data folder")
	fs.StringVar(&config.Metrics.Read, "metrics-read", "", "`URL` before /api/v1/query of that store")
	fs.StringSliceVar(&config.Metrics.Headers, "metrics-header", nil, "`header` to send to that store, such as X-Scope-OrgID: tenant; several are separated by commas")
	fs.StringVar(&config.Metrics.BearerTokenFile, "metrics-bearer-token-file", "", "`file` with the token for that store")
	fs.StringVar(&config.Metrics.Username, "metrics-username", "", "user `name` at that store")
	fs.StringVar(&config.Metrics.PasswordFile, "metrics-password-file", "", "`file` with the password at that store")
	fs.StringVar(&config.Metrics.Histograms, "metrics-histograms", "native", "how that store takes histograms: native, or vmrange for VictoriaMetrics")
	fs.StringVar(&config.Metrics.CAFile, "metrics-ca", "", "PEM `file` of the authorities that store's certificate is checked against (default those of the system)")
	fs.IntVar(&config.MaxSeries, "max-series", 20_000, "how many series one agent may have")
	fs.DurationVar(&config.QueryTimeout, "query-timeout", 30*time.Second, "how long a query may take")
	fs.IntVar(&config.QuerySamples, "query-samples", 10_000_000, "how many samples a query may hold in memory")
	fs.DurationVar(&config.CredentialLifetime, "credential-lifetime", 30*24*time.Hour, "how old an agent's credential may grow before the agent gets a new one; 0s for no bound")
	fs.StringVar(&config.OIDC.Issuer, "oidc-issuer", "", "`URL` of an OpenID Connect provider that people sign in by")
	fs.StringVar(&config.OIDC.Name, "oidc-name", "", "what people call that provider (default its host)")
	fs.StringVar(&config.OIDC.ClientID, "oidc-client-id", "", "what the provider calls this server")
	fs.StringVar(&config.OIDC.ClientSecretFile, "oidc-client-secret-file", "", "`file` with the secret that the provider gave this server")
	fs.StringSliceVar(&config.OIDC.Scopes, "oidc-scopes", []string{"profile", "email"}, "what is asked for beside openid")
	fs.StringVar(&config.OIDC.RoleClaim, "oidc-role-claim", "groups", "the `claim` that decides on the role, a text or a list of texts")
	fs.StringSliceVar(&config.OIDC.Admins, "oidc-admins", nil, "values of that claim that make an admin")
	fs.StringSliceVar(&config.OIDC.Operators, "oidc-operators", nil, "values of it that make an operator")
	fs.StringSliceVar(&config.OIDC.Viewers, "oidc-viewers", nil, "values of it that make a viewer")
	fs.StringVar(&config.OIDC.DefaultRole, "oidc-default-role", "", "role of those whom the claim gives none; empty: only who is a user already gets in")
	log.Add(fs)
	setting.AddFlags(fs)
	setting.Hide(fs, "database")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := setting.Load(fs, "SONDE", os.Environ()); err != nil {
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
		config.Out = cmd.OutOrStdout()
		go log.ToggleOnSignal(cmd.Context())
		return command.Failure(serve(cmd.Context(), config))
	}
	return cmd
}

func serve(ctx context.Context, config server.Config) error {
	s, err := server.New(ctx, config)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}
