package collect

import (
	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
)

// selection picks those values of a kernel's list of named values that have a
// metric. The kernel keeps the order of such a list, so after the first time it
// only checks that names are where they were.
type selection struct {
	metric func(group, name string) string // "" for none

	groups, names []string // of all entries, as last seen
	picks         []int    // indexes of the entries that are wanted
	series        []sample.Series
}

// fit makes the selection fit entries; changed says whether it did not already.
func (s *selection) fit(entries []procfs.Entry) (changed bool) {
	if len(entries) == len(s.names) && s.fits(entries) {
		return false
	}
	*s = selection{metric: s.metric}
	seen := make(map[string]bool)
	for i, e := range entries {
		group, name := string(e.Group), string(e.Name)
		s.groups, s.names = append(s.groups, group), append(s.names, name)
		if metric := s.metric(group, name); metric != "" && !seen[metric] {
			seen[metric] = true
			s.picks = append(s.picks, i)
			s.series = append(s.series, series(metric))
		}
	}
	return true
}

func (s *selection) fits(entries []procfs.Entry) bool {
	for i := range entries {
		if string(entries[i].Name) != s.names[i] || string(entries[i].Group) != s.groups[i] {
			return false
		}
	}
	return true
}

func (s *selection) write(row *Row, entries []procfs.Entry) {
	for _, i := range s.picks {
		row.Float(entries[i].Value)
	}
}
