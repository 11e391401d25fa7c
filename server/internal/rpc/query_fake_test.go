package rpc

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"

	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/series/query"
)

// memory is a store of float series and the progress of the agents that fill
// it.
type memory struct {
	mu     sync.Mutex
	series []*memorySeries
	agents map[string]*memoryAgent
	broken error         // of every Select
	slow   time.Duration // what every Select takes
}

type memorySeries struct {
	labels labels.Labels
	times  []int64
	values []float64
}

type memoryAgent struct {
	newest   int64
	advanced chan struct{}
	status   fleet.Status
}

// store appends a value to a series on behalf of an agent.
func (m *memory) store(agent string, at time.Time, value float64, series ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := at.UnixMilli()
	ls := labels.FromStrings(series...)
	var to *memorySeries
	for _, s := range m.series {
		if labels.Equal(s.labels, ls) {
			to = s
		}
	}
	if to == nil {
		to = &memorySeries{labels: ls}
		m.series = append(m.series, to)
	}
	to.times, to.values = append(to.times, t), append(to.values, value)

	a := m.agent(agent)
	if t > a.newest {
		a.newest = t
		close(a.advanced)
		a.advanced = make(chan struct{})
	}
}

// agent returns an agent's state. The caller holds mu.
func (m *memory) agent(id string) *memoryAgent {
	if m.agents == nil {
		m.agents = map[string]*memoryAgent{}
	}
	if m.agents[id] == nil {
		m.agents[id] = &memoryAgent{advanced: make(chan struct{})}
	}
	return m.agents[id]
}

func (m *memory) setStatus(agent string, s fleet.Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.agent(agent).status = s
}

func (m *memory) Status(agent string) (fleet.Status, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.agent(agent).status, true
}

func (m *memory) StoredThrough(ctx context.Context, agent string, t int64) (int64, error) {
	for {
		m.mu.Lock()
		a := m.agent(agent)
		newest, advanced := a.newest, a.advanced
		m.mu.Unlock()
		if newest >= t {
			return newest, nil
		}
		select {
		case <-advanced:
		case <-ctx.Done():
			return newest, ctx.Err()
		}
	}
}

func (m *memory) Querier(mint, maxt int64) (storage.Querier, error) {
	return memoryQuerier{storage.NoopQuerier(), m, mint, maxt}, nil
}

type memoryQuerier struct {
	storage.Querier
	*memory
	mint, maxt int64
}

func (q memoryQuerier) Close() error { return nil }

func (q memoryQuerier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	time.Sleep(q.slow)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.broken != nil {
		return storage.ErrSeriesSet(q.broken)
	}
	set := &memorySet{at: -1}
next:
	for _, s := range q.series {
		for _, m := range matchers {
			if !m.Matches(s.labels.Get(m.Name)) {
				continue next
			}
		}
		found := memorySeries{labels: s.labels}
		for i, t := range s.times {
			if t >= q.mint && t <= q.maxt {
				found.times, found.values = append(found.times, t), append(found.values, s.values[i])
			}
		}
		if len(found.times) > 0 {
			set.series = append(set.series, found)
		}
	}
	return set
}

type memorySet struct {
	storage.SeriesSet
	series []memorySeries
	at     int
}

func (s *memorySet) Next() bool                               { s.at++; return s.at < len(s.series) }
func (s *memorySet) Err() error                               { return nil }
func (s *memorySet) At() storage.Series                       { return s.series[s.at] }
func (s memorySeries) Labels() labels.Labels                  { return s.labels }
func (s *memorySet) Warnings() (none annotations.Annotations) { return nil }

func (s memorySeries) Iterator(chunkenc.Iterator) chunkenc.Iterator {
	return &memoryIterator{memorySeries: s, at: -1}
}

// millis keeps go vet from taking Seek for that of io.Seeker.
type millis = int64

type memoryIterator struct {
	chunkenc.Iterator
	memorySeries
	at int
}

func (it *memoryIterator) Next() chunkenc.ValueType {
	it.at++
	if it.at >= len(it.times) {
		return chunkenc.ValNone
	}
	return chunkenc.ValFloat
}

func (it *memoryIterator) Seek(t millis) chunkenc.ValueType {
	it.at = max(it.at, 0)
	for it.at < len(it.times) && it.times[it.at] < t {
		it.at++
	}
	it.at--
	return it.Next()
}

func (it *memoryIterator) At() (int64, float64) { return it.times[it.at], it.values[it.at] }
func (it *memoryIterator) AtT() int64           { return it.times[it.at] }
func (it *memoryIterator) Err() error           { return nil }

func newTestQueries(tb testing.TB, m *memory) *Queries {
	tb.Helper()
	engine, err := query.New(m, query.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	q, err := NewQueries(engine, m, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(q.Close)
	return q
}
