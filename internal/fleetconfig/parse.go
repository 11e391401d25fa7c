package fleetconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// MaxBytes is the longest text that [Parse] takes.
const MaxBytes = 1 << 20

// Error is one thing that is wrong with a text.
type Error struct {
	// Line counts from 1; 0 where there is no text.
	Line int
	// Path of the key, such as policies[0].settings.collectors.cpu.interval.
	Path   string
	Reason string
}

func (e *Error) Error() string {
	text := e.Reason
	if e.Path != "" {
		text = e.Path + ": " + text
	}
	if e.Line > 0 {
		text = fmt.Sprintf("line %d: %s", e.Line, text)
	}
	return text
}

// File is a configuration that was read, and where it stood.
type File struct {
	Config *sondev1.FleetConfig
	lines  map[string]int
}

// Line returns the line of a path, or of what is nearest above it; paths may be
// those of the text or of the schema, whose durations end in _ms. It returns 0
// when there is nothing of that path at all.
func (f *File) Line(path string) int {
	path = strings.TrimSuffix(path, "_ms")
	for path != "" {
		if line, ok := f.lines[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0
}

// Parse reads a configuration. It lists everything that is wrong in one error
// that joins an [*Error] for each; for a text that is no YAML at all, the error
// is the YAML parser's.
func Parse(text []byte) (*File, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("%d bytes are more than %d", len(text), MaxBytes)
	}
	var root, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&root); errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty; without policies it reads policies: []")
	} else if err != nil {
		return nil, err
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, &Error{Line: more.Line, Reason: "a second document: there can be only one"}
	}
	p := parser{lines: make(map[string]int)}
	config := p.document(root.Content[0])
	slices.SortStableFunc(p.errs, func(a, b *Error) int { return a.Line - b.Line })
	if err := p.err(); err != nil {
		return nil, err
	}
	return &File{config, p.lines}, nil
}

// parser turns nodes of YAML into messages, and goes on after an error.
type parser struct {
	errs  []*Error
	lines map[string]int
}

// err joins the errors.
func (p *parser) err() error {
	errs := make([]error, len(p.errs))
	for i, e := range p.errs {
		errs[i] = e
	}
	return errors.Join(errs...)
}

func (p *parser) fail(n *yaml.Node, path, format string, args ...any) {
	p.errs = append(p.errs, &Error{Line: n.Line, Path: path, Reason: fmt.Sprintf(format, args...)})
}

// fields are the keys that a mapping may have.
type fields map[string]func(n *yaml.Node, path string)

// fields hands each value of a mapping to the reader of its key.
func (p *parser) fields(n *yaml.Node, path string, known fields) {
	p.mapping(n, path, func(key, value *yaml.Node, path string) {
		read, ok := known[key.Value]
		if !ok {
			p.fail(key, path, "there is no key of this name here, only %s", strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			return
		}
		read(value, path)
	})
}

// mapping hands over each pair of a mapping. A key without a value has an empty
// mapping.
func (p *parser) mapping(n *yaml.Node, path string, each func(key, value *yaml.Node, path string)) {
	n = resolve(n)
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		p.fail(n, path, "must be a mapping of keys to values")
		return
	}
	seen := make(map[string]bool)
	for i := 0; i < len(n.Content); i += 2 {
		key, value := resolve(n.Content[i]), n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			p.fail(key, path, "a key must be plain text")
			continue
		}
		sub := key.Value
		if path != "" {
			sub = path + "." + sub
		}
		if seen[key.Value] {
			p.fail(key, sub, "stands twice")
			continue
		}
		seen[key.Value] = true
		p.lines[sub] = key.Line
		each(key, value, sub)
	}
}

func (p *parser) document(n *yaml.Node) *sondev1.FleetConfig {
	c := &sondev1.FleetConfig{}
	names := make(map[string]bool)
	p.fields(n, "", fields{"policies": func(n *yaml.Node, path string) {
		n = resolve(n)
		if isNull(n) {
			return
		}
		if n.Kind != yaml.SequenceNode {
			p.fail(n, path, "must be a list")
			return
		}
		for i, item := range n.Content {
			path := fmt.Sprintf("%s[%d]", path, i)
			p.lines[path] = item.Line
			policy := p.policy(item, path)
			if policy.Name == "" {
				p.fail(item, path+".name", "is missing")
			} else if names[policy.Name] {
				p.fail(item, path+".name", "two policies are named %q", policy.Name)
			}
			names[policy.Name] = true
			c.Policies = append(c.Policies, policy)
		}
	}})
	return c
}

func (p *parser) policy(n *yaml.Node, path string) *sondev1.Policy {
	m := &sondev1.Policy{}
	p.fields(n, path, fields{
		"name":     p.text(&m.Name),
		"priority": func(n *yaml.Node, path string) { m.Priority = int32(p.integer(n, path, math.MinInt32, math.MaxInt32)) },
		"selector": func(n *yaml.Node, path string) {
			p.mapping(n, path, func(key, value *yaml.Node, path string) {
				var text string
				p.text(&text)(value, path)
				if m.Selector == nil {
					m.Selector = make(map[string]string)
				}
				m.Selector[key.Value] = text
			})
		},
		"settings": func(n *yaml.Node, path string) { m.Settings = p.settings(n, path) },
	})
	return m
}

func (p *parser) settings(n *yaml.Node, path string) *sondev1.Settings {
	m := &sondev1.Settings{}
	p.fields(n, path, fields{
		"submission_interval": p.optionalDuration(&m.SubmissionIntervalMs),
		"collectors": func(n *yaml.Node, path string) {
			m.Collectors = make(map[string]*sondev1.CollectorSettings)
			p.mapping(n, path, func(key, value *yaml.Node, path string) {
				m.Collectors[key.Value] = p.collector(value, path)
			})
		},
		"probes": func(n *yaml.Node, path string) {
			m.Probes = make(map[string]*sondev1.ProbeSettings)
			p.mapping(n, path, func(key, value *yaml.Node, path string) {
				m.Probes[key.Value] = p.probe(value, path)
			})
		},
	})
	return m
}

func (p *parser) collector(n *yaml.Node, path string) *sondev1.CollectorSettings {
	m := &sondev1.CollectorSettings{}
	p.fields(n, path, fields{
		"enabled": func(n *yaml.Node, path string) {
			var on bool
			p.boolean(&on)(n, path)
			m.Enabled = &on
		},
		"interval": p.optionalDuration(&m.IntervalMs),
	})
	return m
}

func (p *parser) probe(n *yaml.Node, path string) *sondev1.ProbeSettings {
	m := &sondev1.ProbeSettings{}
	p.fields(n, path, fields{
		"disabled": p.boolean(&m.Disabled),
		"kind":     p.text(&m.Kind),
		"target":   p.text(&m.Target),
		"interval": p.duration(&m.IntervalMs),
		"timeout":  p.duration(&m.TimeoutMs),
		"http": func(n *yaml.Node, path string) {
			m.Http = &sondev1.HTTPProbeOptions{}
			p.fields(n, path, fields{
				"method":      p.text(&m.Http.Method),
				"status":      p.text(&m.Http.Status),
				"redirects":   func(n *yaml.Node, path string) { m.Http.Redirects = uint32(p.integer(n, path, 0, math.MaxUint32)) },
				"skip_verify": p.boolean(&m.Http.SkipVerify),
			})
		},
		"dns": func(n *yaml.Node, path string) {
			m.Dns = &sondev1.DNSProbeOptions{}
			p.fields(n, path, fields{
				"name":  p.text(&m.Dns.Name),
				"type":  p.text(&m.Dns.Type),
				"rcode": p.text(&m.Dns.Rcode),
			})
		},
	})
	return m
}

// scalar returns the text of a plain value as it was written.
func (p *parser) scalar(n *yaml.Node, path string) (string, bool) {
	n = resolve(n)
	switch {
	case isNull(n):
		p.fail(n, path, "has no value")
	case n.Kind != yaml.ScalarNode || n.ShortTag() == "!!binary":
		p.fail(n, path, "must be a plain value")
	default:
		return n.Value, true
	}
	return "", false
}

func (p *parser) text(to *string) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) { *to, _ = p.scalar(n, path) }
}

func (p *parser) boolean(to *bool) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		text, ok := p.scalar(n, path)
		if ok && text != "true" && text != "false" {
			p.fail(n, path, "%q must be true or false", text)
		}
		*to = text == "true"
	}
}

func (p *parser) integer(n *yaml.Node, path string, low, high int64) int64 {
	text, ok := p.scalar(n, path)
	if !ok {
		return 0
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < low || v > high {
		p.fail(n, path, "%q must be a whole number from %d to %d", text, low, high)
		return 0
	}
	return v
}

func (p *parser) duration(to *uint32) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		text, ok := p.scalar(n, path)
		if !ok {
			return
		}
		d, err := time.ParseDuration(text)
		switch {
		case err != nil:
			p.fail(n, path, "%q must be a duration such as 200ms, 10s or 5m", text)
		case d < 0 || d%time.Millisecond != 0:
			p.fail(n, path, "%q must be in whole milliseconds", text)
		case d/time.Millisecond > math.MaxUint32:
			p.fail(n, path, "%q is too long", text)
		default:
			*to = uint32(d / time.Millisecond)
		}
	}
}

func (p *parser) optionalDuration(to **uint32) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		*to = new(uint32)
		p.duration(*to)(n, path)
	}
}

// resolve follows an alias to what it stands for. One that leads to itself ends
// where no further key is known.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }
