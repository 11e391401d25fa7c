package desired

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cespare/xxhash/v2"

	"sonde.dev/sonde/internal/durable"
)

// file is the form of a [State] on disk.
type file struct {
	Hash uint64 `json:"hash,string"`
	// Sum is the XXH64 of Settings: the hash is the server's, and the agent
	// cannot tell from it whether the settings are still those that it names.
	Sum      uint64          `json:"sum,string"`
	Settings json.RawMessage `json:"settings"`
}

// Save keeps s at path so that a crash leaves the file before or this one, and a
// state of hash 0 as no file. Only the agent's user can read it.
func (s State) Save(path string) error {
	if s.Hash == 0 {
		if err := os.Remove(path); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		return durable.SyncDir(filepath.Dir(path))
	}
	settings, err := json.Marshal(s.Settings)
	if err != nil {
		return err
	}
	data, err := json.Marshal(file{s.Hash, xxhash.Sum64(settings), settings})
	if err != nil {
		return err
	}
	return durable.WriteFile(path, append(data, '\n'), 0o600)
}

// Load returns what [State.Save] kept at path, or the state of hash 0 when there
// is no file. A file that is damaged, or that another version wrote with settings
// unknown here, is an error.
func Load(path string) (State, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, nil
	}
	if err != nil {
		return State{}, err
	}
	s, err := parse(data)
	if err != nil {
		return State{}, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return s, nil
}

func parse(data []byte) (State, error) {
	var f file
	if err := decode(data, &f); err != nil {
		return State{}, err
	}
	if f.Hash == 0 || xxhash.Sum64(f.Settings) != f.Sum {
		return State{}, errors.New("its checksum is wrong")
	}
	s := State{Hash: f.Hash}
	return s, decode(f.Settings, &s.Settings)
}

// decode reads the one JSON value that data is.
func decode(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more follows the end")
	}
	return nil
}
