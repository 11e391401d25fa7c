package uplink

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sonde.dev/sonde/internal/durable"
)

// identity is what enrolment gave this agent. It lives in the state folder.
type identity struct {
	AgentID    string `json:"agent_id"`
	Credential string `json:"credential"`
	// ServerCA is the PEM of the one authority to trust; empty for the system's.
	ServerCA string `json:"server_ca,omitempty"`
	// JoinedWith names the join token, see tokenHash; empty when it is not known.
	JoinedWith string `json:"joined_with,omitempty"`
}

func identityPath(stateDir string) string { return filepath.Join(stateDir, "identity.json") }

// loadIdentity returns the identity in stateDir; ok is false when there is none.
func loadIdentity(stateDir string) (id identity, ok bool, err error) {
	data, err := os.ReadFile(identityPath(stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return identity{}, false, nil
	}
	if err != nil {
		return identity{}, false, err
	}
	if err := json.Unmarshal(data, &id); err != nil || id.AgentID == "" || id.Credential == "" {
		return identity{}, false, fmt.Errorf("%s is damaged: remove it, and this agent enrols anew with its join token", identityPath(stateDir))
	}
	return id, true, nil
}

// save writes the identity so that a crash leaves the old file or the new.
func (id identity) save(stateDir string) error {
	data, err := json.Marshal(id)
	if err != nil {
		return err
	}
	return durable.WriteFile(identityPath(stateDir), append(data, '\n'), 0o600)
}
