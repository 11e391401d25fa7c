// Package probe measures latency: of networks, names, web servers, disks, the
// scheduler and the agent's own stream.
//
// # What it promises
//
// A probe is described by a [Spec] and lives in a [Set]. Its attempts start at
// fixed times, whether or not former attempts have been answered: a slow answer
// never hides the next one (open loop). Every attempt ends in exactly one
// [Outcome], which is counted; only a successful attempt is also a duration,
// recorded in a [sample.Histogram] for each of its phases. A loss is a loss and
// never a latency.
//
// Durations of icmp and dns come from the kernel's timestamps of the packets,
// those of tcp from the kernel's own measurement of the handshake: a busy
// machine that runs the agent late does not make its network look slow.
//
// # What it does not
//
// It speaks to nothing but the targets it was given, follows redirects only
// where it was told to, and writes no file but the one block of a disk probe.
// Who may choose targets is not decided here.
package probe

import (
	"context"
	"log/slog"
	"net"
	"time"
)

// Pinger measures the round trip on the agent's stream to its server.
type Pinger interface {
	// Ping sends a message to the server and returns how long the answer took. It
	// returns soon after ctx ends, with ctx's error. Any other error means that
	// there is no stream, or that it broke. Safe for concurrent use.
	Ping(ctx context.Context) (time.Duration, error)
}

// Config is what the probes of a set need from the rest of the agent.
type Config struct {
	// Pinger serves probes of kind rtt; without it they are unreachable.
	Pinger Pinger
	// Resolver resolves the names of targets; nil stands for the system's.
	Resolver *net.Resolver
	// Log gets what an operator can act on: a missing permission, a panic. nil
	// discards it.
	Log *slog.Logger
}

// attempt collects the durations of one attempt, by phase. A phase may be
// added several times. The runner records them if the attempt succeeds.
type attempt struct {
	timings []timing
}

type timing struct {
	phase phase
	took  time.Duration
}

func (a *attempt) add(p phase, took time.Duration) {
	a.timings = append(a.timings, timing{p, took})
}

// longest returns the longest of the durations.
func (a *attempt) longest() (d time.Duration) {
	for _, t := range a.timings {
		d = max(d, t.took)
	}
	return d
}

// prober makes the attempts of one probe.
type prober interface {
	// attempt makes one attempt and returns soon after ctx ends. The error
	// explains an outcome that is not success and is nil otherwise. Up to the
	// kind's limit of attempts run at the same time.
	attempt(ctx context.Context, a *attempt) (Outcome, error)
	// close releases what the prober holds. No attempt is running then.
	close() error
}

// phase is a part of an attempt that is timed by itself.
type phase uint8

const (
	phaseTotal phase = iota
	phaseDNS
	phaseConnect
	phaseTLS
	phaseTTFB
	phaseTransfer
	phaseWrite
	phaseFsync
	phaseRead
	phaseCount
)

var phaseNames = [phaseCount]string{
	"total", "dns", "connect", "tls", "ttfb", "transfer", "write", "fsync", "read",
}

// kind is what the runner has to know of a [Kind].
type kind struct {
	// inFlight bounds the attempts that run at the same time.
	inFlight int32
	// together is set where the durations do not depend on what else this process
	// does at the time of the attempt.
	together bool
	phases   []phase
	outcomes []Outcome
	// check examines the target and the options of the kind.
	check func(*Spec) error
	make  func(Spec, *Config) prober
}

const networkInFlight = 16

var kinds = map[Kind]kind{
	ICMP: {
		inFlight: networkInFlight,
		together: true,
		phases:   []phase{phaseTotal},
		outcomes: []Outcome{Success, Timeout, Unreachable, DNS, Permission, Error, Skipped},
		check:    checkICMP,
		make:     newICMPProber,
	},
	TCP: {
		inFlight: networkInFlight,
		together: true,
		phases:   []phase{phaseTotal},
		outcomes: []Outcome{Success, Timeout, Refused, Unreachable, DNS, Permission, Error, Skipped},
		check:    checkTCP,
		make:     newTCPProber,
	},
	HTTP: {
		inFlight: networkInFlight,
		phases:   []phase{phaseDNS, phaseConnect, phaseTLS, phaseTTFB, phaseTransfer, phaseTotal},
		outcomes: []Outcome{Success, Timeout, Refused, Unreachable, DNS, TLS, Status, Protocol, Permission, Error, Skipped},
		check:    checkHTTP,
		make:     newHTTPProber,
	},
	DNSQuery: {
		inFlight: networkInFlight,
		together: true,
		phases:   []phase{phaseTotal},
		outcomes: []Outcome{Success, Timeout, Refused, Unreachable, DNS, Status, Protocol, Permission, Error, Skipped},
		check:    checkDNS,
		make:     newDNSProber,
	},
	Disk: {
		inFlight: 1,
		together: true,
		phases:   []phase{phaseWrite, phaseFsync, phaseRead, phaseTotal},
		outcomes: []Outcome{Success, Timeout, Permission, Error, Skipped},
		check:    checkDisk,
		make:     newDiskProber,
	},
	Sched: {
		inFlight: 1,
		together: true,
		phases:   []phase{phaseTotal},
		outcomes: []Outcome{Success, Timeout, Error, Skipped},
		check:    checkSched,
		make:     newSchedProber,
	},
	RTT: {
		inFlight: networkInFlight,
		phases:   []phase{phaseTotal},
		outcomes: []Outcome{Success, Timeout, Unreachable, Error, Skipped},
		check:    checkRTT,
		make:     newRTTProber,
	},
}
