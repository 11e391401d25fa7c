package fleet

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what people and agents say of an agent.
const (
	MaxNameChars       = 128
	MaxLabels          = 32
	MaxLabelNameBytes  = 128
	MaxLabelValueBytes = 256
	MaxFactBytes       = 256
)

// validateName wants 1 to 128 characters, none of them a control character.
func validateName(name string) error {
	switch {
	case name == "":
		return Errorf(Invalid, "name is empty: want 1 to %d characters", MaxNameChars)
	case !utf8.ValidString(name):
		return Errorf(Invalid, "name %s is not valid UTF-8", quote(name))
	case utf8.RuneCountInString(name) > MaxNameChars:
		return Errorf(Invalid, "name %s has %d characters: want at most %d",
			quote(name), utf8.RuneCountInString(name), MaxNameChars)
	case strings.ContainsFunc(name, unicode.IsControl):
		return Errorf(Invalid, "name %s has a control character", quote(name))
	}
	return nil
}

func validateLabels(labels map[string]string) error {
	if len(labels) > MaxLabels {
		return Errorf(Invalid, "labels: %d of them, want at most %d", len(labels), MaxLabels)
	}
	for name, value := range labels {
		if err := validateLabelName(name); err != nil {
			return err
		}
		switch {
		case len(value) > MaxLabelValueBytes:
			return Errorf(Invalid, "labels: value %s of %s has %d bytes: want at most %d",
				quote(value), name, len(value), MaxLabelValueBytes)
		case !utf8.ValidString(value):
			return Errorf(Invalid, "labels: value %s of %s is not valid UTF-8", quote(value), name)
		}
	}
	return nil
}

// validateLabelName wants a name that a series could carry, and none of those
// that the server gives to series itself.
func validateLabelName(name string) error {
	switch {
	case len(name) > MaxLabelNameBytes:
		return Errorf(Invalid, "labels: name %s has %d bytes: want at most %d",
			quote(name), len(name), MaxLabelNameBytes)
	case !isLabelName(name):
		return Errorf(Invalid, "labels: name %s does not match [a-zA-Z_][a-zA-Z0-9_]*", quote(name))
	case strings.HasPrefix(name, "__"):
		return Errorf(Invalid, "labels: name %s begins with two underscores, which belong to the server", quote(name))
	case name == "agent" || name == "instance" || name == "job":
		return Errorf(Invalid, "labels: name %s belongs to the server", quote(name))
	}
	return nil
}

func isLabelName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// Validate returns an [Invalid] error that names a fact that is out of bounds.
func (h HostFacts) Validate() error {
	for _, fact := range []struct{ name, value string }{
		{"hostname", h.Hostname},
		{"os", h.OS},
		{"arch", h.Arch},
		{"kernel", h.Kernel},
		{"os_release", h.OSRelease},
		{"cpu_model", h.CPUModel},
		{"container", h.Container},
		{"agent_version", h.AgentVersion},
	} {
		switch {
		case len(fact.value) > MaxFactBytes:
			return Errorf(Invalid, "host.%s %s has %d bytes: want at most %d",
				fact.name, quote(fact.value), len(fact.value), MaxFactBytes)
		case !utf8.ValidString(fact.value):
			return Errorf(Invalid, "host.%s %s is not valid UTF-8", fact.name, quote(fact.value))
		}
	}
	return nil
}

// quote makes a foreign value fit for a message: quoted, escaped, cut.
func quote(s string) string {
	const maxBytes = 64
	if len(s) <= maxBytes {
		return fmt.Sprintf("%q", s)
	}
	cut := maxBytes
	for cut > maxBytes-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%q…", s[:cut])
}

// nameOf makes a first name from what a host calls itself: the hostname without
// control characters, cut to the length of a name.
func nameOf(hostname string) string {
	name := strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, hostname))
	if name == "" {
		return "agent"
	}
	return firstChars(name, MaxNameChars)
}

// NamePrefix returns what every name that [FirstFree] may try for base begins
// with. A [Store] looks up the names that begin with it, and no others.
func NamePrefix(base string) string {
	return firstChars(base, MaxNameChars-len("-100001"))
}

// FirstFree returns the first of base, base-2, base-3, … that is not taken. A
// base too long for its number is cut.
func FirstFree(base string, taken map[string]bool) string {
	name := base
	for n := 2; taken[name]; n++ {
		suffix := fmt.Sprintf("-%d", n)
		name = firstChars(base, MaxNameChars-len(suffix)) + suffix
	}
	return name
}

func firstChars(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
