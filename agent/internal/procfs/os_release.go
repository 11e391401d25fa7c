package procfs

import (
	"errors"
	"io/fs"
	"strings"
)

// OSRelease is os-release(5): values by their keys, such as PRETTY_NAME.
type OSRelease map[string]string

// OSRelease reads etc/os-release beneath the root, or usr/lib/os-release.
func (f FS) OSRelease() (OSRelease, error) {
	text, err := readText(f.root("etc/os-release"))
	path := f.root("etc/os-release")
	if errors.Is(err, fs.ErrNotExist) {
		path = f.root("usr/lib/os-release")
		text, err = readText(path)
	}
	if err != nil {
		return nil, err
	}
	release, err := parseOSRelease([]byte(text))
	var malformed *ParseError
	if errors.As(err, &malformed) {
		malformed.File = path
	}
	return release, err
}

func parseOSRelease(b []byte) (OSRelease, error) {
	release := make(OSRelease)
	l := lines{rest: b}
	for {
		line, ok := l.next()
		if !ok {
			return release, nil
		}
		text := string(trimSpace(line))
		if text == "" || text[0] == '#' {
			continue
		}
		key, value, found := strings.Cut(text, "=")
		if !found {
			return nil, l.malformed("no = in %q", text)
		}
		value, ok = unquote(value)
		if !ok {
			return nil, l.malformed("the quotes of %s do not match", key)
		}
		release[key] = strings.ToValidUTF8(value, "\uFFFD")
	}
}

// unquote undoes the shell's quoting, as far as os-release may use it.
func unquote(s string) (string, bool) {
	if s == "" {
		return s, true
	}
	quote := s[0]
	if quote != '"' && quote != '\'' {
		return s, !strings.ContainsAny(s, `"'`)
	}
	if len(s) < 2 || s[len(s)-1] != quote {
		return "", false
	}
	s = s[1 : len(s)-1]
	if quote == '\'' || !strings.Contains(s, `\`) {
		return s, true
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte("\"$`\\", s[i+1]) >= 0 {
			i++
		}
		out.WriteByte(s[i])
	}
	return out.String(), true
}
