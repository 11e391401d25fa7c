package e2e

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// link is a way to a server that can be cut.
type link struct {
	url      string
	target   string
	listener net.Listener
	copying  sync.WaitGroup
	mute     atomic.Bool // what the server says gets lost

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
}

// newLink returns an open link to the server at url.
func newLink(t *testing.T, url string) *link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &link{url: "http://" + l.Addr().String(), target: strings.TrimPrefix(url, "http://"), listener: l, conns: make(map[net.Conn]bool)}
	k.copying.Go(k.accept)
	t.Cleanup(func() {
		l.Close()
		k.cut()
		k.copying.Wait()
	})
	return k
}

func (k *link) accept() {
	for {
		near, err := k.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", k.target)
		if err != nil {
			near.Close()
			continue
		}
		k.mu.Lock()
		if k.down {
			near.Close()
			far.Close()
		} else {
			k.conns[near], k.conns[far] = true, true
			k.copying.Go(func() { k.pass(far, near, nil) })
			k.copying.Go(func() { k.pass(near, far, &k.mute) })
		}
		k.mu.Unlock()
	}
}

// pass copies, or only reads while mute is set.
func (k *link) pass(to, from net.Conn, mute *atomic.Bool) {
	defer func() {
		to.Close()
		from.Close()
		k.mu.Lock()
		delete(k.conns, from)
		k.mu.Unlock()
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if mute != nil && mute.Load() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// cut breaks all connections and lets no new one begin, until mend.
func (k *link) cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = true
	for c := range k.conns {
		c.Close()
	}
}

func (k *link) mend() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = false
	k.mute.Store(false)
}
