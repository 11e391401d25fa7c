package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// target is the server that an operator's command talks to.
type target struct {
	server, tokenFile, serverCA string
}

func (t *target) add(fs *pflag.FlagSet) {
	fs.StringVar(&t.server, "server", "http://127.0.0.1:7070", "`URL` of the server")
	fs.StringVar(&t.serverCA, "server-ca", defaultServerCA(), "PEM `file` of the authorities to trust for https; the server's own is tls/ca.pem in its data directory")
	fs.StringVar(&t.tokenFile, "token-file", filepath.Join(defaultDataDir(), "admin-token"), "`file` with an API token")
}

// authorize returns an interceptor that sends the API token.
func (t *target) authorize() (connect.Interceptor, error) {
	text, err := os.ReadFile(t.tokenFile)
	if err != nil {
		return nil, fmt.Errorf("token-file: %w: it is the file admin-token in the server's data directory", err)
	}
	token := strings.TrimSpace(string(text))
	return connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			req.Header().Set("Authorization", "Bearer "+token)
			return next(ctx, req)
		}
	}), nil
}

// defaultServerCA is the file of the server's own authority, if it is on this
// machine and has one; else the system's authorities count.
func defaultServerCA() string {
	path := filepath.Join(defaultDataDir(), "tls", "ca.pem")
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// client returns a client that trusts whom it should.
func (t *target) client() (*http.Client, error) {
	if t.serverCA == "" {
		return http.DefaultClient, nil
	}
	text, err := os.ReadFile(t.serverCA)
	if err != nil {
		return nil, fmt.Errorf("server-ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("server-ca: %s holds no certificate in PEM form", t.serverCA)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	return &http.Client{Transport: transport}, nil
}

func newLoginLinkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "login-link",
		Short: "Print a new link that signs one browser in",
		Args:  cobra.NoArgs,
	}
	return operate(cmd, func(cmd *cobra.Command, s services, _ []string) error {
		link, err := s.access.CreateLoginLink(cmd.Context(), &sondev1.CreateLoginLinkRequest{})
		if err != nil {
			return fmt.Errorf("asking %s for a link: %w", s.server, err)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s%s\n", s.server, link.Path)
		return err
	})
}
