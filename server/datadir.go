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

// givenSecrets reads the secrets whose files are named outside of the data
// directory; one that is not named stays empty.
func (c Config) givenSecrets() (found fleet.Secrets, err error) {
	read := func(flag, path string, secret *fleet.Secret, hasForm func(fleet.Secret) bool, what string) error {
		if path == "" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
		if *secret = fleet.Secret(strings.TrimSpace(string(text))); !hasForm(*secret) {
			return fmt.Errorf("%s: %s holds no %s", flag, path, what)
		}
		return nil
	}
	return found, errors.Join(
		read("join-token-file", c.JoinTokenFile, &found.JoinToken, fleet.Secret.IsJoinToken, "join token (sonde_join_ and 43 characters of base64url)"),
		read("admin-token-file", c.AdminTokenFile, &found.AdminToken, fleet.Secret.IsAPIToken, "API token (sonde_api_ and 43 characters of base64url)"),
	)
}

// bootstrap makes the secrets that are given or stand in the files of the data
// directory work, and writes those that are missing; [fleet.Bootstrap] has the
// rule. Files that are given are only read.
//
// With an authority of its own, the server puts its fingerprint into join-token.
func (s *Server) bootstrap(ctx context.Context) error {
	dir := s.config.DataDir
	given, err := s.config.givenSecrets()
	if err != nil {
		return err
	}
	found := given
	for name, secret := range map[string]*fleet.Secret{joinTokenFile: &found.JoinToken, adminTokenFile: &found.AdminToken} {
		if *secret != "" {
			continue
		}
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
	if given.JoinToken == "" {
		if err := s.writeJoinToken(wanted.JoinToken, found.JoinToken); err != nil {
			return err
		}
	}
	if wanted.AdminToken != found.AdminToken {
		return writeSecret(dir, adminTokenFile, wanted.AdminToken)
	}
	return nil
}

// writeJoinToken writes the file of the join token unless it holds it already.
func (s *Server) writeJoinToken(wanted, found fleet.Secret) error {
	isNew := wanted != found
	if wanted = wanted.WithoutPin(); wanted != "" && s.authority != nil {
		wanted = wanted.WithPin(s.authority.Pin())
	}
	if wanted == found {
		return nil
	}
	err := writeSecret(s.config.DataDir, joinTokenFile, wanted)
	if err != nil && !isNew {
		// It works all the same, for who gives --server-ca to agents.
		s.log.Warn("the fingerprint of the server's authority cannot be put into the file of the join token", "error", err)
		return nil
	}
	return err
}

func writeSecret(dir, name string, secret fleet.Secret) error {
	if err := durable.WriteFile(filepath.Join(dir, name), []byte(string(secret)+"\n"), 0o600); err != nil {
		return fmt.Errorf("data-dir: %w", err)
	}
	return nil
}
