package ingest

import (
	"testing"
	"time"
)

func TestPingDue(t *testing.T) {
	const never = 1000 * time.Hour
	tests := map[string]struct {
		heard, sent, pinged time.Duration // ago
		want                time.Duration
	}{
		"first":                 {heard: 0, sent: 0, pinged: never, want: 0},
		"busy":                  {heard: time.Second, sent: 900 * time.Millisecond, pinged: 20 * time.Second, want: pingInterval - time.Second},
		"busy for long":         {heard: 0, sent: 0, pinged: clockInterval, want: 0},
		"the agent is silent":   {heard: pingInterval, sent: 0, pinged: time.Second, want: 0},
		"the server is silent":  {heard: 0, sent: pingInterval, pinged: time.Second, want: 0},
		"nothing was ever sent": {heard: 0, sent: never, pinged: time.Second, want: 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &session{agent: &agent{}}
			s.agent.lastSeen.Store(now.Add(-tt.heard).UnixMilli())
			s.clock.ping(now.Add(-tt.pinged))
			if got := s.untilPing(now, now.Add(-tt.sent)); got != tt.want {
				t.Errorf("wait: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPingsAreGrouped(t *testing.T) {
	for offset := time.Duration(0); offset < 2*pingGroup; offset += time.Millisecond {
		at := now.Add(offset)
		wait := untilGroup(at, time.Second)
		if wait < time.Second || wait >= time.Second+pingGroup {
			t.Errorf("at %v: the wait is %v", offset, wait)
		}
		if next := at.Add(wait); !next.Equal(next.Truncate(pingGroup)) {
			t.Errorf("at %v: the ping is at %v, between two groups", offset, next)
		}
	}
}
