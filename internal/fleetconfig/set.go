package fleetconfig

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"

	sondev1 "sonde.dev/sonde/proto/gen/sonde/v1"
)

// Set returns a copy of c in which the setting at path, such as
// collectors.cpu.interval, of the policy of that name has a value, which is YAML.
// A policy that there is not yet is made, without selector.
func Set(c *sondev1.FleetConfig, policy, path, value string) (*sondev1.FleetConfig, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(value), &doc); err != nil {
		return nil, fmt.Errorf("%s: %q: %w", path, value, err)
	}
	if doc.Kind == 0 {
		return nil, &Error{Path: path, Reason: "has no value"}
	}
	c, p := withPolicy(c, policy)
	if p == nil {
		p = &sondev1.Policy{Name: policy}
		c.Policies = append(c.Policies, p)
	}
	return c, edit(p, func(root *yaml.Node) error {
		n := root
		for key := range strings.SplitSeq(path, ".") {
			next := child(n, key)
			if next == nil {
				if n.Kind != yaml.MappingNode {
					*n = yaml.Node{Kind: yaml.MappingNode}
				}
				next = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
				n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, next)
			}
			n = next
		}
		*n = *doc.Content[0]
		return nil
	})
}

// Unset returns a copy of c without the setting at path of that policy, and
// without what is left empty by that. The policy itself stays.
func Unset(c *sondev1.FleetConfig, policy, path string) (*sondev1.FleetConfig, error) {
	c, p := withPolicy(c, policy)
	if p == nil {
		return nil, fmt.Errorf("there is no policy named %q", policy)
	}
	return c, edit(p, func(root *yaml.Node) error {
		if !remove(root, strings.Split(path, ".")) {
			return &Error{Path: path, Reason: fmt.Sprintf("is not set by the policy %q", policy)}
		}
		return nil
	})
}

// withPolicy returns a copy of c and its policy of that name, if it has one.
func withPolicy(c *sondev1.FleetConfig, name string) (*sondev1.FleetConfig, *sondev1.Policy) {
	c = proto.CloneOf(c)
	if c == nil {
		c = &sondev1.FleetConfig{}
	}
	for _, p := range c.Policies {
		if p.Name == name {
			return c, p
		}
	}
	return c, nil
}

// edit changes the settings of p as the mapping that they are in a file.
func edit(p *sondev1.Policy, change func(*yaml.Node) error) error {
	current := settingsOf(p.Settings)
	if current == nil {
		current = &settings{}
	}
	var root yaml.Node
	if err := root.Encode(current); err != nil {
		return err
	}
	if err := change(&root); err != nil {
		return err
	}
	read := parser{lines: make(map[string]int)}
	p.Settings = read.settings(&root, "")
	for _, e := range read.errs {
		e.Line = 0 // of no file
	}
	return read.err()
}

// child returns the value of a key, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// remove takes path away from n, and mappings that are empty then; it reports
// whether there was one.
func remove(n *yaml.Node, path []string) bool {
	value := child(n, path[0])
	if value == nil || len(path) > 1 && !remove(value, path[1:]) {
		return false
	}
	if len(path) > 1 && len(value.Content) > 0 {
		return true
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == path[0] {
			n.Content = append(n.Content[:i], n.Content[i+2:]...)
			break
		}
	}
	return true
}
