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
