package uplink

import (
	"testing"
	"testing/synctest"
	"time"

	"sonde.dev/sonde/agent/internal/spool"
)

func TestWindowLeavesRoomForLiveBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live, old := spool.LaneID{1}, spool.LaneID{2}
		var w window
		w.init(8)
		var seq uint64
		// The backlog opens one by one while the server keeps up, to a half.
		for want := 1; want <= 6; want++ {
			n := 0
			for ; w.openToBacklog(); n++ {
				seq++
				w.add(sent{lane: old, seq: seq})
			}
			if n > min(want*2, 4) {
				t.Errorf("%d records of the backlog are under way after %d rounds", n, want)
			}
			if want == 6 && n != 4 {
				t.Errorf("%d records of the backlog at last, want 4", n)
			}
			if !w.open() {
				t.Error("no room for a live batch")
			}
			if want < 6 {
				w.ack(old, seq, nil)
			}
		}
		for n := uint64(1); w.open(); n++ {
			w.add(sent{lane: live, seq: n, live: true, sealed: time.Now()})
		}
		if n, all := w.inFlight(); n != 4 || all != 8 {
			t.Errorf("%d live of %d are under way, want 4 of 8", n, all)
		}
		// Acknowledgements are of one lane, and slow ones close the backlog.
		time.Sleep(2 * soon)
		delays := 0
		w.ack(live, 3, func(d time.Duration) {
			if delays++; d != 2*soon {
				t.Errorf("a delay is %v", d)
			}
		})
		if n, all := w.inFlight(); n != 1 || all != 5 || delays != 3 {
			t.Errorf("%d live of %d are under way, %d delays; want 1 of 5, 3", n, all, delays)
		}
		w.ack(old, seq, nil)
		if w.holds(old) || !w.holds(live) {
			t.Error("the wrong lane is under way")
		}
		w.add(sent{lane: old, seq: seq + 1})
		if w.openToBacklog() {
			t.Error("two records of the backlog at once behind a slow acknowledgement")
		}
	})
}

func TestPace(t *testing.T) {
	var p pace
	now := time.UnixMilli(1_000_000)
	if p.wait(now) != 0 {
		t.Error("the first record waits")
	}
	// A second's worth at once, then as much a second as the rate says.
	p.take(now, backlogRate)
	if got := p.wait(now); got != 0 {
		t.Errorf("within the burst, a record waits %v", got)
	}
	p.take(now, backlogRate/2)
	if got := p.wait(now); got != time.Second/2 {
		t.Errorf("beyond the burst, a record waits %v, want 500ms", got)
	}
	if got := p.wait(now.Add(time.Minute)); got != 0 {
		t.Errorf("a minute later, a record waits %v", got)
	}
}
