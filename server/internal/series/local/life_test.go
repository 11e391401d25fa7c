package local

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sonde.dev/sonde/internal/durable"
	"sonde.dev/sonde/server/internal/series"
)

// TestPace has a pace that never comes: only plenty of samples or Close begin
// another group.
func TestPace(t *testing.T) {
	o := testOptions(t, t.TempDir())
	o.QueueSamples = 8
	s := openTuned(t, o, tuning{segmentSize: 1 << 20, flush: durable.SyncData, pace: time.Hour})
	target := series.NewTarget([]series.Series{metric("a")})
	rows := func(ms int64) series.Rows {
		return series.Rows{Target: target, Times: at(ms, ms+1), Floats: []float64{1, 2}}
	}
	write(t, s, rows(0)) // the first does not wait
	first := enqueue(t, s, rows(10))
	select {
	case got := <-first:
		t.Errorf("a group began before its time: %+v", got)
	default:
	}
	second := enqueue(t, s, rows(20)) // half of the queue is taken
	for _, done := range []<-chan outcome{first, second} {
		if got := <-done; got.err != nil || got.Stored != 2 {
			t.Errorf("got %+v", got)
		}
	}
	last := enqueue(t, s, rows(30))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-last; got.err != nil || got.Stored != 2 {
		t.Errorf("queued at Close: %+v", got)
	}
}

// TestSeriesForgottenByTheHead appends to a series that the TSDB has dropped from
// memory, by the reference it had.
func TestSeriesForgottenByTheHead(t *testing.T) {
	s := openTest(t, t.TempDir())
	a, b := series.NewTarget([]series.Series{metric("a")}), series.NewTarget([]series.Series{metric("b")})
	hour := time.Hour.Milliseconds()
	write(t, s, series.Rows{Target: a, Times: at(0), Floats: []float64{1}})
	for i := range int64(12) {
		write(t, s, series.Rows{Target: b, Times: at(i * hour), Floats: []float64{2}})
	}
	if err := s.db.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := s.db.Head().NumSeries(); n != 1 {
		t.Fatalf("%d series in the head, want b alone", n)
	}
	write(t, s, series.Rows{Target: a, Times: at(12 * hour), Floats: []float64{3}})
	want := []string{"0 1", fmt.Sprintf("%d 3", 12*hour)}
	if diff := cmp.Diff(want, read(t, s)[`{__name__="a"}`]); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
}

// TestTargetGoesToAnotherStore: the references of one store mean other series in
// the next.
func TestTargetGoesToAnotherStore(t *testing.T) {
	a, b := series.NewTarget([]series.Series{metric("a")}), series.NewTarget([]series.Series{metric("b")})
	first, second := openTest(t, t.TempDir()), openTest(t, t.TempDir())
	rows := func(target *series.Target, v float64) series.Rows {
		return series.Rows{Target: target, Times: at(0), Floats: []float64{v}}
	}
	write(t, first, rows(a, 1), rows(b, 2))
	write(t, second, rows(b, 2), rows(a, 1))
	wantSamples(t, second, map[string][]string{`{__name__="a"}`: {"0 1"}, `{__name__="b"}`: {"0 2"}})
}

func TestRetention(t *testing.T) {
	for name, limit := range map[string]func(*Options){
		"time": func(o *Options) { o.Retention = 4 * time.Hour },
		"size": func(o *Options) { o.MaxBytes = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			o := testOptions(t, t.TempDir())
			limit(&o)
			s := openTuned(t, o, tuning{segmentSize: 1 << 20, flush: durable.SyncData})
			target := series.NewTarget([]series.Series{metric("a")})
			hour := time.Hour.Milliseconds()
			for i := range int64(24) {
				write(t, s, series.Rows{Target: target, Times: at(i * hour), Floats: []float64{float64(i)}})
			}
			if err := s.db.Compact(context.Background()); err != nil {
				t.Fatal(err)
			}
			got := read(t, s)[`{__name__="a"}`]
			if len(got) == 0 || len(got) > 10 || got[len(got)-1] != fmt.Sprintf("%d 23", 23*hour) {
				t.Errorf("kept %v, want the last hours", got)
			}
		})
	}
}
