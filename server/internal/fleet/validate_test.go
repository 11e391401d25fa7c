package fleet

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// What is accepted is what proto/sonde/v1 says; every message can travel.
func FuzzValidate(f *testing.F) {
	for _, s := range []string{"", "a", "web-1", "__x", "job", "1a", "\x00", "\xff", "é\u0085", strings.Repeat("é", 129), strings.Repeat("a", 257)} {
		f.Add(s)
	}
	labelName := regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	f.Fuzz(func(t *testing.T, s string) {
		check := func(what string, err error, want bool) {
			t.Helper()
			if (err == nil) != want {
				t.Errorf("%s %q: got %v", what, s, err)
			}
			if err != nil && (!utf8.ValidString(err.Error()) || len(err.Error()) > 600 || ErrorCode(err) != Invalid) {
				t.Errorf("%s %q: message %q", what, s, err)
			}
		}
		valid := utf8.ValidString(s)
		control := strings.ContainsFunc(s, unicode.IsControl)
		check("name", validateName(s), valid && s != "" && utf8.RuneCountInString(s) <= 128 && !control)
		reserved := strings.HasPrefix(s, "__") || s == "agent" || s == "instance" || s == "job"
		check("label", validateLabels(map[string]string{s: ""}), labelName.MatchString(s) && len(s) <= 128 && !reserved)
		check("value", validateLabels(map[string]string{"a": s}), valid && len(s) <= 256)
		check("fact", HostFacts{Container: s}.Validate(), valid && len(s) <= 256)

		if valid {
			name := nameOf(s)
			if err := validateName(name); err != nil {
				t.Errorf("hostname %q gives the name %q: %v", s, name, err)
			}
			second := FirstFree(name, map[string]bool{name: true})
			if err := validateName(second); err != nil || second == name || !strings.HasPrefix(second, NamePrefix(name)) {
				t.Errorf("the second %q is %q: %v", name, second, err)
			}
		}
	})
}
