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
func bootstrap(ctx context.Context, store fleet.Store, shared bool, dir string) error {
	var found fleet.Secrets
	for name, secret := range map[string]*fleet.Secret{joinTokenFile: &found.JoinToken, adminTokenFile: &found.AdminToken} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("data-dir: %w", err)
		}
		*secret = fleet.Secret(strings.TrimSpace(string(text)))
	}
	wanted, err := fleet.Bootstrap(ctx, store, shared, time.Now, found)
	if err != nil {
		return fmt.Errorf("data-dir: %s: %w", dir, err)
	}
	if wanted.JoinToken != found.JoinToken {
		if err := writeSecret(dir, joinTokenFile, wanted.JoinToken); err != nil {
			return err
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
