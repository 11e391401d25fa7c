package postgres

import (
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

// status is the form of [fleet.Status] in the database.
type status struct {
	State                fleet.AgentState `json:"state,omitempty"`
	LastSeenMS           int64            `json:"last_seen_ms,omitempty"`
	LastBatchMS          int64            `json:"last_batch_ms,omitempty"`
	ConnectedMS          int64            `json:"connected_ms,omitempty"`
	Address              string           `json:"address,omitempty"`
	ClockSkewNanos       int64            `json:"clock_skew_ns,omitempty"`
	RoundTripNanos       int64            `json:"round_trip_ns,omitempty"`
	Series               uint32           `json:"series,omitempty"`
	SubmissionIntervalMS int64            `json:"submission_interval_ms,omitempty"`
	SamplesStored        uint64           `json:"samples_stored,omitempty"`
	SamplesRefused       uint64           `json:"samples_refused,omitempty"`
	LastError            string           `json:"last_error,omitempty"`
	LastErrorMS          int64            `json:"last_error_ms,omitempty"`
	CloneMS              int64            `json:"clone_ms,omitempty"`
	CloneHostname        string           `json:"clone_hostname,omitempty"`
	CloneAddress         string           `json:"clone_address,omitempty"`
}

func encodeStatus(s fleet.Status) status {
	return status{
		State: s.State, Address: s.Address, Series: s.Series,
		LastSeenMS: sinceEpoch(s.LastSeenAt), LastBatchMS: sinceEpoch(s.LastBatchAt), ConnectedMS: sinceEpoch(s.ConnectedAt),
		ClockSkewNanos: s.ClockSkew.Nanoseconds(), RoundTripNanos: s.RoundTrip.Nanoseconds(),
		SubmissionIntervalMS: s.SubmissionInterval.Milliseconds(),
		SamplesStored:        s.SamplesStored, SamplesRefused: s.SamplesRefused,
		LastError: s.LastError, LastErrorMS: sinceEpoch(s.LastErrorAt),
		CloneMS: sinceEpoch(s.Clone.SeenAt), CloneHostname: s.Clone.Hostname, CloneAddress: s.Clone.Address,
	}
}

func (s status) decode() fleet.Status {
	return fleet.Status{
		State: s.State, Address: s.Address, Series: s.Series,
		LastSeenAt: atEpoch(s.LastSeenMS), LastBatchAt: atEpoch(s.LastBatchMS), ConnectedAt: atEpoch(s.ConnectedMS),
		ClockSkew: time.Duration(s.ClockSkewNanos), RoundTrip: time.Duration(s.RoundTripNanos),
		SubmissionInterval: time.Duration(s.SubmissionIntervalMS) * time.Millisecond,
		SamplesStored:      s.SamplesStored, SamplesRefused: s.SamplesRefused,
		LastError: s.LastError, LastErrorAt: atEpoch(s.LastErrorMS),
		Clone: fleet.Clone{SeenAt: atEpoch(s.CloneMS), Hostname: s.CloneHostname, Address: s.CloneAddress},
	}
}

// sinceEpoch returns the milliseconds since 1970, 0 for the zero time.
func sinceEpoch(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func atEpoch(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
