package fleet

import (
	"encoding/json"
	"slices"
	"strings"
)

// SettingChange is how one setting differs between two settings.
type SettingChange struct {
	// Path of the setting, such as probes.web.interval_ms.
	Path string
	// Before and After are empty for what is not set.
	Before, After string
}

// Diff returns what differs between two settings, in the order of the paths.
func Diff(before, after Settings) []SettingChange {
	was, is := before.flatten(), after.flatten()
	var changes []SettingChange
	for path, value := range was {
		if is[path] != value {
			changes = append(changes, SettingChange{path, value, is[path]})
		}
	}
	for path, value := range is {
		if _, ok := was[path]; !ok {
			changes = append(changes, SettingChange{path, "", value})
		}
	}
	slices.SortFunc(changes, func(a, b SettingChange) int { return strings.Compare(a.Path, b.Path) })
	return changes
}

// flatten returns what is set by its path, as text that is never empty.
func (s Settings) flatten() map[string]string {
	flat := make(map[string]string)
	var add func(path string, v any)
	add = func(path string, v any) {
		if object, ok := v.(map[string]any); ok {
			for key, v := range object {
				add(strings.TrimPrefix(path+"."+key, "."), v)
			}
			return
		}
		if text, ok := v.(string); ok {
			flat[path] = text
			return
		}
		flat[path] = string(canonical(v))
	}
	var tree map[string]any
	if err := json.Unmarshal(canonical(s), &tree); err != nil {
		panic(err) // made one line above
	}
	add("", tree)
	return flat
}
