package ingest

import (
	"testing"
	"time"
)

func TestPingDue(t *testing.T) {
	tests := map[string]struct {
		heard, pinged time.Duration // ago; 0 for never pinged
		want          bool
	}{
		"first":                      {heard: 0, want: true},
		"heard and pinged":           {heard: 900 * time.Millisecond, pinged: 2 * time.Second},
		"heard and pinged long ago":  {heard: 0, pinged: clockInterval, want: true},
		"silent":                     {heard: pingInterval / 2, pinged: 2 * time.Second, want: true},
		"silent and pinged just now": {heard: 3 * time.Second, pinged: time.Millisecond, want: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &session{agent: &agent{}}
			s.agent.lastSeen.Store(now.Add(-tt.heard).UnixMilli())
			if tt.pinged > 0 {
				s.clock.ping(now.Add(-tt.pinged))
			}
			if got := s.pingDue(now); got != tt.want {
				t.Errorf("due: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPingsAreGrouped(t *testing.T) {
	for offset := time.Duration(0); offset < 2*pingGroup; offset += time.Millisecond {
		at := now.Add(offset)
		wait := untilPing(at)
		if wait <= pingInterval-pingGroup || wait > pingInterval {
			t.Errorf("at %v: the wait is %v", offset, wait)
		}
		if next := at.Add(wait); !next.Equal(next.Truncate(pingGroup)) {
			t.Errorf("at %v: the ping is at %v, between two groups", offset, next)
		}
	}
}
