package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sonde.dev/sonde/internal/command"
	"sonde.dev/sonde/internal/setting"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
)

// services are what an operator's command calls.
type services struct {
	fleet  sondev1connect.FleetServiceClient
	config sondev1connect.ConfigServiceClient
	access sondev1connect.AccessServiceClient
	// server is the address that was called.
	server string
}

// operate lets run be what cmd does, with the server that flags name. The errors
// of run are not those of usage, which belong into the flags' types and
// cmd.Args.
func operate(cmd *cobra.Command, run func(*cobra.Command, services, []string) error) *cobra.Command {
	var t target
	fs := pflag.NewFlagSet(cmd.Name(), pflag.ContinueOnError)
	fs.SortFlags = false
	t.add(fs)
	setting.AddFlags(fs)
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(fs)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := setting.Load(fs, "SONDE", os.Environ()); err != nil {
			return err
		}
		if done, err := setting.Inspected(cmd.OutOrStdout(), fs); done {
			return command.Failure(err)
		}
		authorize, err := t.authorize()
		if err != nil {
			return err
		}
		client, err := t.client()
		if err != nil {
			return err
		}
		with := connect.WithInterceptors(authorize)
		return command.Failure(run(cmd, services{
			fleet:  sondev1connect.NewFleetServiceClient(client, t.server, with),
			config: sondev1connect.NewConfigServiceClient(client, t.server, with),
			access: sondev1connect.NewAccessServiceClient(client, t.server, with),
			server: strings.TrimRight(t.server, "/"),
		}, args))
	}
	return cmd
}

// format is how a command prints: one of a few words.
type format struct {
	word  string
	words []string
}

// addFormat adds --output; the first of words is the default.
func addFormat(fs *pflag.FlagSet, words ...string) *format {
	f := &format{words[0], words}
	fs.VarP(f, "output", "o", "`format`: "+strings.Join(words, ", "))
	return f
}

func (f *format) String() string { return f.word }
func (f *format) Type() string   { return "format" }

func (f *format) Set(word string) error {
	if !slices.Contains(f.words, word) {
		return fmt.Errorf("must be one of %s", strings.Join(f.words, ", "))
	}
	f.word = word
	return nil
}

// print writes v, whose messages are wrapped by [message], or the table.
func (f *format) print(w io.Writer, v any, fill func(*table)) error {
	if f.word == "table" {
		return writeTable(w, fill)
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if f.word == "json" {
		_, err = fmt.Fprintf(w, "%s\n", text)
		return err
	}
	// JSON is YAML, only with more quotes and braces.
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return err
	}
	plain(&doc)
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(&doc); err != nil {
		return err
	}
	_, err = out.WriteTo(w)
	return err
}

func plain(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		plain(child)
	}
}

// message lets a message of the API be a part of JSON.
type message struct{ proto.Message }

func (m message) MarshalJSON() ([]byte, error) { return protojson.Marshal(m.Message) }

// table has cells in aligned columns.
type table struct{ w *tabwriter.Writer }

func writeTable(w io.Writer, fill func(*table)) error {
	t := &table{tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)}
	fill(t)
	return t.w.Flush()
}

// row adds a row; a cell that is empty reads "-". Errors show in Flush.
func (t *table) row(cells ...string) {
	for i, c := range cells {
		if cells[i] = printable(c); c == "" {
			cells[i] = "-"
		}
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

// printable keeps what others have named from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}

// instant writes a time for people; one that is absent is empty.
func instant(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().UTC().Format(time.DateTime + "Z")
}

// word makes AGENT_STATE_UP, with the prefix AGENT_STATE_, "up".
func word(enum fmt.Stringer, prefix string) string {
	return strings.ToLower(strings.TrimPrefix(enum.String(), prefix))
}
