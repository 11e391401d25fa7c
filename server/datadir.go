package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sonde.dev/sonde/internal/durable"
	"sonde.dev/sonde/server/internal/fleet"
)

// makeDataDir makes the data directory, for its owner alone.
func makeDataDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data-dir: %w: choose a directory that this user may write to with --data-dir", err)
	}
	return nil
}

// Files of the data directory that hold secrets.
const (
	joinTokenFile  = "join-token"
	adminTokenFile = "admin-token"
)

// bootstrap makes the secrets in the files of dir work, and writes those that
// are missing; [fleet.Bootstrap] has the rule.
//
// With an authority of its own, the server puts its fingerprint into join-token.
func (s *Server) bootstrap(ctx context.Context) error {
	dir := s.config.DataDir
	var found fleet.Secrets
	for name, secret := range map[string]*fleet.Secret{joinTokenFile: &found.JoinToken, adminTokenFile: &found.AdminToken} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("data-dir: %w", err)
		}
		*secret = fleet.Secret(strings.TrimSpace(string(text)))
	}
	wanted, err := fleet.Bootstrap(ctx, s.control, s.cluster.Shared(), time.Now, found)
	if err != nil {
		return fmt.Errorf("data-dir: %s: %w", dir, err)
	}
	isNew := wanted.JoinToken != found.JoinToken
	if wanted.JoinToken = wanted.JoinToken.WithoutPin(); wanted.JoinToken != "" && s.authority != nil {
		wanted.JoinToken = wanted.JoinToken.WithPin(s.authority.Pin())
	}
	if wanted.JoinToken != found.JoinToken {
		switch err := writeSecret(dir, joinTokenFile, wanted.JoinToken); {
		case err != nil && isNew:
			return err
		case err != nil:
			// It works all the same, for who gives --server-ca to agents.
			s.log.Warn("the fingerprint of the server's authority cannot be put into the file of the join token", "error", err)
		}
	}
	if wanted.AdminToken != found.AdminToken {
		return writeSecret(dir, adminTokenFile, wanted.AdminToken)
	}
	return nil
}

func writeSecret(dir, name string, secret fleet.Secret) error {
	if err := durable.WriteFile(filepath.Join(dir, name), []byte(string(secret)+"\n"), 0o600); err != nil {
		return fmt.Errorf("data-dir: %w", err)
	}
	return nil
}
