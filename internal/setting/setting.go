// Package setting fills the flags of a command from the environment and from a
// YAML file: a flag on the command line wins over a variable, a variable over
// the file, the file over the default.
//
// Every flag has all three forms. The flag --data-dir of a command with the
// prefix SONDE is the variable SONDE_DATA_DIR and the key data-dir of the file.
// A key of the file that is no flag is an error, so that a misspelt one does
// not go unnoticed. All errors are reported together, each with the name of
// what is wrong.
package setting

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// Secret marks, as an annotation of a flag, a value that [Print] must not show.
const Secret = "sonde_secret"

// These flags belong to this package; see [AddFlags].
const (
	configFlag = "config"
	checkFlag  = "check-config"
	printFlag  = "print-config"
)

// AddFlags adds --config, --check-config and --print-config to fs.
func AddFlags(fs *pflag.FlagSet) {
	fs.String(configFlag, "", "YAML `file` with values for any of these flags")
	fs.Bool(checkFlag, false, "check the configuration and exit")
	fs.Bool(printFlag, false, "print the configuration in force, as a YAML file, and exit")
}

// Hide marks the flag called name as [Secret].
func Hide(fs *pflag.FlagSet, name string) {
	if err := fs.SetAnnotation(name, Secret, []string{"true"}); err != nil {
		panic(err) // no flag of that name
	}
}

// Load sets the flags of fs that were not given on the command line from the
// variables that begin with prefix and an underscore, and from the file that
// --config names.
func Load(fs *pflag.FlagSet, prefix string, environ []string) error {
	var errs []error
	env := make(map[string]string)
	for _, kv := range environ {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	set := func(f *pflag.Flag, value, origin string) {
		if err := fs.Set(f.Name, value); err != nil {
			if f.Annotations[Secret] != nil {
				err = errors.New("the value is not valid")
			}
			errs = append(errs, fmt.Errorf("%s: %w", origin, err))
		}
	}
	fromEnv := func(f *pflag.Flag) bool {
		name := variable(prefix, f.Name)
		// An empty variable counts as none: container files pass on variables
		// that may not be set.
		if value := env[name]; value != "" && !f.Changed && f.Name != "help" && f.Name != "version" {
			set(f, value, name)
			return true
		}
		return false
	}
	fromEnv(fs.Lookup(configFlag))
	file, err := readFile(fs.Lookup(configFlag).Value.String())
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	fs.VisitAll(func(f *pflag.Flag) {
		value, inFile := file[f.Name]
		delete(file, f.Name)
		if f.Changed || fromEnv(f) || !inFile {
			return
		}
		set(f, value, f.Name)
	})
	for key := range file {
		errs = append(errs, fmt.Errorf("%s: there is no setting of this name", key))
	}
	return errors.Join(errs...)
}

// readFile returns the keys and values of a file; lists are joined by commas.
func readFile(path string) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	var doc map[string]yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("config: %s: %w", path, err)
	}
	values := make(map[string]string, len(doc))
	for key, node := range doc {
		switch node.Kind {
		case yaml.ScalarNode:
			values[key] = node.Value
		case yaml.SequenceNode:
			var items []string
			for _, item := range node.Content {
				if item.Kind != yaml.ScalarNode {
					return nil, fmt.Errorf("%s: line %d of %s is not a plain value", key, item.Line, path)
				}
				items = append(items, item.Value)
			}
			values[key] = strings.Join(items, ",")
		default:
			return nil, fmt.Errorf("%s: line %d of %s is neither a value nor a list of values", key, node.Line, path)
		}
	}
	return values, nil
}

func variable(prefix, flag string) string {
	return prefix + "_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Inspected carries out --check-config and --print-config, once the
// configuration has been found to be right. It reports whether either was given:
// then the command has nothing more to do.
func Inspected(w io.Writer, fs *pflag.FlagSet) (bool, error) {
	if fs.Lookup(printFlag).Value.String() == "true" {
		return true, Print(w, fs)
	}
	return fs.Lookup(checkFlag).Value.String() == "true", nil
}

// Print writes the values in force as a file that --config takes, each with its
// description. Secrets are left out.
func Print(w io.Writer, fs *pflag.FlagSet) error {
	var err error
	write := func(format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(w, format, args...)
		}
	}
	fs.VisitAll(func(f *pflag.Flag) {
		switch f.Name {
		case "help", "version", configFlag, checkFlag, printFlag:
			return
		}
		_, usage := pflag.UnquoteUsage(f)
		write("# %s\n", strings.ReplaceAll(usage, "\n", "\n# "))
		if f.Annotations[Secret] != nil {
			write("# %s: (not shown)\n", f.Name)
			return
		}
		value := any(f.Value.String())
		if list, ok := f.Value.(pflag.SliceValue); ok {
			value = list.GetSlice()
		}
		line, merr := yaml.Marshal(map[string]any{f.Name: value})
		if merr != nil && err == nil {
			err = merr
		}
		write("%s", line)
	})
	return err
}
