package witness

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCountFindsFaults shows that a count can fail.
func TestCountFindsFaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	// Tick 1 was kept, tick 2 was not when the process was killed.
	err := os.WriteFile(path, []byte("b\nt 0 10\nk 0\nt 1 20\nk 1\nt 2 30\nb\nt 3 40\nk 3\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	all := func() (stored [Series][]Sample) {
		for i := range stored {
			for _, tick := range l.Ticks {
				if tick.Kept {
					stored[i] = append(stored[i], Sample{tick.At, value(tick.N, i)})
				}
			}
		}
		return stored
	}
	for _, test := range []struct {
		name   string
		change func(*[Series][]Sample)
		want   Count
	}{
		{"whole", func(*[Series][]Sample) {}, Count{Taken: 9, Stored: 9, Doubtful: 3}},
		{"doubtful", func(s *[Series][]Sample) { s[1] = append(s[1], Sample{30, value(2, 1)}) }, Count{Taken: 9, Stored: 9, Doubtful: 3, DoubtfulStored: 1}},
		{"missing", func(s *[Series][]Sample) { s[2] = s[2][1:] }, Count{Taken: 9, Stored: 8, Missing: 1, Doubtful: 3}},
		{"twice", func(s *[Series][]Sample) { s[0] = append(s[0], s[0][0]) }, Count{Taken: 9, Stored: 9, Doubled: 1, Doubtful: 3}},
		{"at another time", func(s *[Series][]Sample) { s[0][1].At++ }, Count{Taken: 9, Stored: 8, Missing: 1, Doubled: 1, Doubtful: 3}},
		{"strange", func(s *[Series][]Sample) { s[0] = append(s[0], Sample{50, 1000}) }, Count{Taken: 9, Stored: 9, Strange: 1, Doubtful: 3}},
	} {
		stored := all()
		test.change(&stored)
		if got := l.Count(stored); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}
