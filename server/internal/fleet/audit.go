package fleet

import (
	"context"
	"strings"
	"time"
)

// MaxAuditEntries is how many entries a store keeps.
const MaxAuditEntries = 100_000

// Bounds of a page of [Audit.List].
const (
	DefaultAuditPage = 100
	MaxAuditPage     = 1_000
)

// maxAuditText bounds each text of an entry, in characters.
const maxAuditText = 512

// AuditEntry is one change, or an attempt that was refused.
type AuditEntry struct {
	// ID grows with time; the store gives it.
	ID   uint64
	Time time.Time
	// Actor is a [Principal.ID], "join-token:NAME", or empty for a stranger.
	Actor string
	// Address that the request came from.
	Address string
	// Action is the procedure, as "FleetService.RemoveAgent", or "sign-in",
	// "sign-in-link", "sign-in-oidc", "sign-out".
	Action string
	// Target is what it was done to, such as "agent:web-1"; may be empty.
	Target string
	// Detail is for people; never a secret.
	Detail string
	// ErrorCode is empty for what was done.
	ErrorCode string
	RequestID string
}

// Audit is the log of who changed what. Safe for concurrent use.
type Audit struct {
	store Store
	now   func() time.Time
}

// NewAudit returns the log in a store; now is the clock.
func NewAudit(store Store, now func() time.Time) *Audit { return &Audit{store: store, now: now} }

// Add stores an entry, and gives it its time.
func (a *Audit) Add(ctx context.Context, e AuditEntry) error {
	e.Time = a.now()
	for _, text := range []*string{&e.Actor, &e.Address, &e.Action, &e.Target, &e.Detail, &e.ErrorCode, &e.RequestID} {
		*text = strings.ToValidUTF8(firstChars(*text, maxAuditText), "\uFFFD")
	}
	// What was done is to be in the log also when the one who did it has hung up.
	return a.store.AddAuditEntry(context.WithoutCancel(ctx), e)
}

// List returns entries before an id that have search in one of their texts, the
// newest first, and whether there are older ones. before 0 begins with the
// newest; pageSize 0 means [DefaultAuditPage]. Invalid: pageSize is out of
// bounds.
func (a *Audit) List(ctx context.Context, before uint64, pageSize int, search string) ([]AuditEntry, bool, error) {
	switch {
	case pageSize < 0 || pageSize > MaxAuditPage:
		return nil, false, Errorf(Invalid, "page_size %d is out of bounds: want 0 to %d", pageSize, MaxAuditPage)
	case len(search) > maxAuditText:
		return nil, false, Errorf(Invalid, "search has %d bytes: want at most %d", len(search), maxAuditText)
	case pageSize == 0:
		pageSize = DefaultAuditPage
	}
	entries, err := a.store.AuditEntries(ctx, before, pageSize+1, search)
	if err != nil {
		return nil, false, err
	}
	if len(entries) > pageSize {
		return entries[:pageSize], true, nil
	}
	return entries, false, nil
}
