package certificate

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// pollInterval is how often the files of a certificate are looked at.
const pollInterval = 2 * time.Second

// Files is a certificate in two PEM files, which may be replaced at any time.
type Files struct {
	cert, key string
	log       *slog.Logger
	current   atomic.Pointer[tls.Certificate]
	// seen is the content of the files when they were last looked at, and failed
	// says that it could not be used. Only Run, and Open before it, use them.
	seen   [sha256.Size]byte
	failed bool
}

// Open reads a certificate and its key.
func Open(cert, key string, log *slog.Logger) (*Files, error) {
	f := &Files{cert: cert, key: key, log: log}
	pair, seen, err := f.read()
	if err != nil {
		return nil, err
	}
	f.seen = seen
	f.current.Store(&pair)
	return f, nil
}

// Certificate implements [Source].
func (f *Files) Certificate() *tls.Certificate { return f.current.Load() }

// Run implements [Source]: it reads the files again when they have changed.
func (f *Files) Run(ctx context.Context) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f.look()
		}
	}
}

// look takes a new certificate. Of one that cannot be used it complains once: the
// two files are seldom replaced in the same instant.
func (f *Files) look() {
	pair, seen, err := f.read()
	if seen == f.seen && (err != nil) == f.failed {
		return
	}
	f.seen, f.failed = seen, err != nil
	if err != nil {
		f.log.Error("the new certificate cannot be used, and the one before is still shown", "file", f.cert, "error", err)
		return
	}
	f.current.Store(&pair)
	f.log.Info("the certificate was replaced", "file", f.cert, "until", pair.Leaf.NotAfter)
}

// read returns what the two files hold, and a hash of it, which is zero when they
// cannot be read.
func (f *Files) read() (pair tls.Certificate, seen [sha256.Size]byte, err error) {
	cert, err := os.ReadFile(f.cert)
	if err != nil {
		return pair, seen, err
	}
	key, err := os.ReadFile(f.key)
	if err != nil {
		return pair, seen, err
	}
	h := sha256.New()
	h.Write(cert)
	h.Write([]byte{0})
	h.Write(key)
	h.Sum(seen[:0])
	pair, err = tls.X509KeyPair(cert, key)
	return pair, seen, err
}
