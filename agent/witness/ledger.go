package witness

import (
	"fmt"
	"os"
	"strings"
)

// Ledger is what one witness wrote down, over all of its processes: a line
// "t N MS" before tick N of that time was pushed, and "k N" once all up to N
// that this process took were on disk.
type Ledger struct {
	Ticks []Tick
}

// Tick is one of a ledger.
type Tick struct {
	N    uint64
	At   int64 // in milliseconds since 1970
	Kept bool
}

// Read reads the ledger of a witness, which may be at work.
func Read(path string) (Ledger, error) {
	var l Ledger
	text, err := os.ReadFile(path)
	if err != nil {
		return l, err
	}
	unkept := 0
	for number, line := range strings.Split(string(text), "\n") {
		var kind string
		var n uint64
		var at int64
		fields, _ := fmt.Sscan(line, &kind, &n, &at)
		switch {
		case line == "":
		case kind == "t" && fields == 3:
			l.Ticks = append(l.Ticks, Tick{N: n, At: at})
		case kind == "k" && fields == 2:
			for ; unkept < len(l.Ticks) && l.Ticks[unkept].N <= n; unkept++ {
				l.Ticks[unkept].Kept = true
			}
		case kind == "b" && fields == 1: // a process begins: what is not kept is in doubt
			unkept = len(l.Ticks)
		default:
			return l, fmt.Errorf("%s:%d: %q is no line of a ledger", path, number+1, line)
		}
	}
	return l, nil
}

// Kept is how many ticks are kept, and Doubtful how many are not.
func (l Ledger) Kept() (n int) {
	for _, t := range l.Ticks {
		if t.Kept {
			n++
		}
	}
	return n
}

// Without returns the ledger without the ticks that a test knows to be refused.
func (l Ledger) Without(refused func(Tick) bool) (rest Ledger) {
	for _, t := range l.Ticks {
		if !refused(t) {
			rest.Ticks = append(rest.Ticks, t)
		}
	}
	return rest
}

// Sample is one that a store has.
type Sample struct {
	At    int64
	Value float64
}

// Count is what came of a ledger's samples.
type Count struct {
	// Taken are the samples that were kept, Stored those of them that are stored.
	// Missing is the difference.
	Taken, Stored, Missing int
	// Doubled are stored more than once.
	Doubled int
	// Strange are stored, but nobody took them.
	Strange int
	// Doubtful were being written when their process was killed; they may be
	// stored or not, and DoubtfulStored of them are.
	Doubtful, DoubtfulStored int
}

// Whole reports whether everything is stored, once.
func (c Count) Whole() bool { return c.Taken > 0 && c.Missing+c.Doubled+c.Strange == 0 }

func (c Count) String() string {
	text := fmt.Sprintf("taken %d stored %d missing %d doubled %d", c.Taken, c.Stored, c.Missing, c.Doubled)
	if c.Strange > 0 {
		text += fmt.Sprintf(" strange %d", c.Strange)
	}
	return text
}

// Add adds up the counts of several witnesses.
func (c Count) Add(d Count) Count {
	return Count{
		c.Taken + d.Taken, c.Stored + d.Stored, c.Missing + d.Missing, c.Doubled + d.Doubled, c.Strange + d.Strange,
		c.Doubtful + d.Doubtful, c.DoubtfulStored + d.DoubtfulStored,
	}
}

// Count compares a ledger with what is stored of each series.
func (l Ledger) Count(stored [Series][]Sample) (c Count) {
	for i, samples := range stored {
		seen := make(map[Sample]int, len(samples))
		for _, s := range samples {
			seen[s]++
		}
		for _, t := range l.Ticks {
			times := seen[Sample{t.At, value(t.N, i)}]
			delete(seen, Sample{t.At, value(t.N, i)})
			c.Doubled += max(times-1, 0)
			switch {
			case t.Kept && times > 0:
				c.Taken++
				c.Stored++
			case t.Kept:
				c.Taken++
				c.Missing++
			default:
				c.Doubtful++
				c.DoubtfulStored += min(times, 1)
			}
		}
		// What is left has a value that was taken, at another time, or one that
		// never was.
		for s, times := range seen {
			if n := uint64(s.Value) / Series; s.Value == value(n, i) && n < uint64(len(l.Ticks)) {
				c.Doubled += times
			} else {
				c.Strange += times
			}
		}
	}
	return c
}

// writer is the end of a ledger. One goroutine uses it.
type writer struct {
	file *os.File
	next uint64
	last int64 // the latest time in it
}

func openWriter(path string) (*writer, error) {
	w := &writer{}
	before, err := Read(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for _, t := range before.Ticks {
		w.next, w.last = t.N+1, max(w.last, t.At)
	}
	if w.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	return w, w.line("b")
}

func (w *writer) line(format string, args ...any) error {
	_, err := fmt.Fprintf(w.file, format+"\n", args...)
	return err
}

func (w *writer) take(at int64) (n uint64, err error) {
	n = w.next
	w.next++
	return n, w.line("t %d %d", n, at)
}

func (w *writer) kept() error {
	if w.next == 0 {
		return nil
	}
	return w.line("k %d", w.next-1)
}

func (w *writer) close() error { return w.file.Close() }
