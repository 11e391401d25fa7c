package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"sonde.dev/sonde/server/internal/fleet"
	"sonde.dev/sonde/server/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a fleet over a real database, with a clock that stands still.
type world struct {
	store     fleet.Store
	now       time.Time
	registrar *fleet.Registrar
	service   *fleet.Service
	steering  *fleet.Steering
	access    *fleet.Access
	admission *fleet.Admission
	live      *live
	secrets   fleet.Secrets
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "fleet.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w := &world{
		store: store,
		now:   time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		live:  &live{statuses: map[string]fleet.Status{}, ended: map[string]error{}},
	}
	clock := func() time.Time { return w.now }
	w.registrar = fleet.NewRegistrar(store, clock)
	if w.steering, err = fleet.NewSteering(t.Context(), store, clock, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	w.service = fleet.NewService(store, w.live, w.steering, clock)
	w.access = fleet.NewAccess(store, clock)
	w.admission = fleet.NewAdmission(store, w.access, clock)
	if w.secrets, err = fleet.Bootstrap(t.Context(), store, false, clock, fleet.Secrets{}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) enroll(t *testing.T, hostname string) (fleet.Agent, fleet.Secret) {
	t.Helper()
	a, _, credential, err := w.registrar.Enroll(t.Context(), w.secrets.JoinToken, fleet.HostFacts{Hostname: hostname})
	if err != nil {
		t.Fatal(err)
	}
	return a, credential
}

// live is a fleet.Live that remembers whom it disconnected.
type live struct {
	rotated  []string
	mu       sync.Mutex
	statuses map[string]fleet.Status
	ended    map[string]error
}

func (l *live) Status(id string) (fleet.Status, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.statuses[id]
	return s, ok
}

func (l *live) Disconnect(id string, reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended[id] = reason
}

func (l *live) Rotate(_ context.Context, agentID string) error {
	if _, open := l.statuses[agentID]; !open {
		return fleet.Errorf(fleet.State, "not connected")
	}
	l.rotated = append(l.rotated, agentID)
	return nil
}

func wantCode(t *testing.T, err error, want fleet.Code) {
	t.Helper()
	if err == nil || fleet.ErrorCode(err) != want {
		t.Errorf("error %v has code %v, want %v", err, fleet.ErrorCode(err), want)
	}
}

func TestEnroll(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct{ hostname, name string }{
		{"web", "web"},
		{"web", "web-2"},
		{"", "agent"},
		{" \x00\n", "agent-2"},
		{"a\tb\u0085c", "abc"},
		{strings.Repeat("é", 128), strings.Repeat("é", 128)},
		{strings.Repeat("x", 256), strings.Repeat("x", 128)},
	} {
		a, credential := w.enroll(t, test.hostname)
		if a.Name != test.name {
			t.Errorf("hostname %q: name %q, want %q", test.hostname, a.Name, test.name)
		}
		if len(a.ID) != 36 || a.ID[14] != '7' {
			t.Errorf("id %q is no UUIDv7", a.ID)
		}
		got, err := w.registrar.Authenticate(t.Context(), credential)
		if diff := cmp.Diff(a, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("authenticating: %v\n%s", err, diff)
		}
	}
}

func TestEnrollRefused(t *testing.T) {
	w := newWorld(t)
	unknown := fleet.Secret("sonde_join_" + strings.Repeat("A", 43))
	for name, test := range map[string]struct {
		token fleet.Secret
		host  fleet.HostFacts
		code  fleet.Code
		text  string
	}{
		"no token":        {"", fleet.HostFacts{}, fleet.Unauthenticated, "no join token"},
		"another secret":  {w.secrets.AdminToken, fleet.HostFacts{}, fleet.Unauthenticated, "no join token"},
		"unknown token":   {unknown, fleet.HostFacts{}, fleet.Unauthenticated, "unknown, used up or expired"},
		"long hostname":   {w.secrets.JoinToken, fleet.HostFacts{Hostname: strings.Repeat("x", 257)}, fleet.Invalid, `host.hostname "xxx`},
		"broken hostname": {w.secrets.JoinToken, fleet.HostFacts{Hostname: "\xff"}, fleet.Invalid, "not valid UTF-8"},
		"long model":      {w.secrets.JoinToken, fleet.HostFacts{CPUModel: strings.Repeat("x", 257)}, fleet.Invalid, "host.cpu_model"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, _, err := w.registrar.Enroll(t.Context(), test.token, test.host)
			wantCode(t, err, test.code)
			if !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), string(unknown)) {
				t.Errorf("message: %v", err)
			}
		})
	}
}

func TestEnrollManyOfOneName(t *testing.T) {
	w := newWorld(t)
	const agents = 24
	var wg sync.WaitGroup
	got := make([]string, agents)
	errs := make([]error, agents)
	for i := range agents {
		wg.Go(func() {
			var a fleet.Agent
			a, _, _, errs[i] = w.registrar.Enroll(t.Context(), w.secrets.JoinToken, fleet.HostFacts{Hostname: "web"})
			got[i] = a.Name
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	want := []string{"web"}
	for i := 2; i <= agents; i++ {
		want = append(want, fmt.Sprintf("web-%d", i))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAuthenticateRefused(t *testing.T) {
	w := newWorld(t)
	a, credential := w.enroll(t, "web")
	if err := w.service.Remove(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []fleet.Secret{"", "x", credential, w.secrets.JoinToken} {
		_, err := w.registrar.Authenticate(t.Context(), secret)
		wantCode(t, err, fleet.Unauthenticated)
	}
	wantCode(t, w.live.ended[a.ID], fleet.Unauthenticated)
	wantCode(t, w.service.Remove(t.Context(), a.ID), fleet.NotFound)
}

func TestSeen(t *testing.T) {
	w := newWorld(t)
	a, _ := w.enroll(t, "web")
	err := w.registrar.Seen(t.Context(),
		fleet.Sighting{AgentID: a.ID, At: w.now, Host: &fleet.HostFacts{Hostname: "web", Kernel: "6.1"}},
		fleet.Sighting{AgentID: "00000000-0000-7000-8000-000000000000", At: w.now})
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.service.Get(t.Context(), a.ID)
	if err != nil || got.Agent.Host.Kernel != "6.1" || !got.Agent.LastSeenAt.Equal(w.now) || got.Status.State != fleet.Down {
		t.Errorf("got %+v, %v", got, err)
	}
	err = w.registrar.Seen(t.Context(), fleet.Sighting{AgentID: a.ID, Host: &fleet.HostFacts{OS: strings.Repeat("x", 300)}})
	wantCode(t, err, fleet.Invalid)
	if err := w.registrar.Seen(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestState(t *testing.T) {
	w := newWorld(t)
	a, _ := w.enroll(t, "web")
	ago := func(d time.Duration) time.Time { return w.now.Add(-d) }
	for name, test := range map[string]struct {
		status *fleet.Status
		want   fleet.AgentState
	}{
		"never seen":             {nil, fleet.Pending},
		"session ended":          {&fleet.Status{LastSeenAt: ago(time.Second)}, fleet.Down},
		"just connected":         {&fleet.Status{ConnectedAt: ago(3 * time.Second)}, fleet.Up},
		"no batch ever":          {&fleet.Status{ConnectedAt: ago(3001 * time.Millisecond)}, fleet.Late},
		"fresh batch":            {&fleet.Status{ConnectedAt: ago(time.Hour), LastBatchAt: ago(time.Second), SubmissionInterval: time.Second}, fleet.Up},
		"batch at the bound":     {&fleet.Status{ConnectedAt: ago(time.Hour), LastBatchAt: ago(3 * time.Second), SubmissionInterval: time.Second}, fleet.Up},
		"batch beyond the bound": {&fleet.Status{ConnectedAt: ago(time.Hour), LastBatchAt: ago(3001 * time.Millisecond), SubmissionInterval: time.Second}, fleet.Late},
		"pongs are no batches":   {&fleet.Status{ConnectedAt: ago(time.Hour), LastBatchAt: ago(time.Minute), LastSeenAt: w.now, SubmissionInterval: time.Second}, fleet.Late},
		"slow submission":        {&fleet.Status{ConnectedAt: ago(time.Hour), LastBatchAt: ago(29 * time.Second), SubmissionInterval: 10 * time.Second}, fleet.Up},
		"slow submission, late":  {&fleet.Status{ConnectedAt: ago(time.Hour), LastBatchAt: ago(31 * time.Second), SubmissionInterval: 10 * time.Second}, fleet.Late},
	} {
		t.Run(name, func(t *testing.T) {
			clear(w.live.statuses)
			if test.status != nil {
				w.live.statuses[a.ID] = *test.status
			}
			got, err := w.service.Get(t.Context(), a.ID)
			if err != nil || got.Status.State != test.want {
				t.Errorf("state %v (%v), want %v", got.Status.State, err, test.want)
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	w := newWorld(t)
	a, _ := w.enroll(t, "one")
	w.enroll(t, "two")
	long := strings.Repeat("x", 129)
	many := map[string]string{}
	for i := range 33 {
		many[fmt.Sprintf("l%d", i)] = ""
	}
	for name, test := range map[string]struct {
		id     string
		change fleet.Change
		code   fleet.Code
		text   string
	}{
		"id":              {"1", fleet.Change{}, fleet.Invalid, `id "1"`},
		"unknown":         {"00000000-0000-7000-8000-000000000000", fleet.Change{}, fleet.NotFound, "there is no agent"},
		"name taken":      {a.ID, fleet.Change{Name: new("two")}, fleet.Exists, `"two"`},
		"name empty":      {a.ID, fleet.Change{Name: new("")}, fleet.Invalid, "name is empty"},
		"name long":       {a.ID, fleet.Change{Name: &long}, fleet.Invalid, "129 characters"},
		"name control":    {a.ID, fleet.Change{Name: new("a\u009fb")}, fleet.Invalid, `"a\u009fb" has a control character`},
		"name not UTF-8":  {a.ID, fleet.Change{Name: new("a\xff")}, fleet.Invalid, "UTF-8"},
		"labels many":     {a.ID, fleet.Change{Labels: many}, fleet.Invalid, "33"},
		"label empty":     {a.ID, fleet.Change{Labels: map[string]string{"": ""}}, fleet.Invalid, `name ""`},
		"label digit":     {a.ID, fleet.Change{Labels: map[string]string{"1a": ""}}, fleet.Invalid, `name "1a"`},
		"label dash":      {a.ID, fleet.Change{Labels: map[string]string{"a-b": ""}}, fleet.Invalid, `name "a-b"`},
		"label long":      {a.ID, fleet.Change{Labels: map[string]string{long: ""}}, fleet.Invalid, "129 bytes"},
		"label reserved":  {a.ID, fleet.Change{Labels: map[string]string{"__x": ""}}, fleet.Invalid, "belong to the server"},
		"label job":       {a.ID, fleet.Change{Labels: map[string]string{"job": ""}}, fleet.Invalid, "belongs to the server"},
		"value long":      {a.ID, fleet.Change{Labels: map[string]string{"a": long + long}}, fleet.Invalid, "258 bytes"},
		"value not UTF-8": {a.ID, fleet.Change{Labels: map[string]string{"a": "\xff"}}, fleet.Invalid, "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.service.Update(t.Context(), test.id, test.change)
			wantCode(t, err, test.code)
			if err != nil && (!strings.Contains(err.Error(), test.text) || len(err.Error()) > 300) {
				t.Errorf("message: %v", err)
			}
		})
	}
	if len(w.live.ended) != 0 {
		t.Errorf("sessions were ended: %v", w.live.ended)
	}

	got, err := w.service.Update(t.Context(), a.ID, fleet.Change{Labels: map[string]string{"site": "x"}})
	if err != nil || got.Agent.Labels["site"] != "x" || len(w.live.ended) != 0 {
		t.Errorf("relabelling: %+v, %v, ended %v", got, err, w.live.ended)
	}
	got, err = w.service.Update(t.Context(), a.ID, fleet.Change{Name: new(strings.Repeat("ü", 128))})
	if err != nil || got.Agent.Labels["site"] != "x" {
		t.Errorf("renaming: %+v, %v", got, err)
	}
	wantCode(t, w.live.ended[a.ID], fleet.Unavailable)
}

func TestList(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"c", "a", "b"} {
		w.enroll(t, name)
	}
	var got []string
	token := ""
	for {
		page, next, err := w.service.List(t.Context(), 2, token)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page {
			got = append(got, a.Agent.Name)
		}
		if token = next; token == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" {
		t.Error(diff)
	}
	// A page that is exactly full is the last one.
	if _, next, err := w.service.List(t.Context(), 3, ""); err != nil || next != "" {
		t.Errorf("next %q, %v", next, err)
	}
	for _, test := range []struct {
		size  int
		token string
	}{{-1, ""}, {10_001, ""}, {1, "!"}, {1, "_w"}} {
		_, _, err := w.service.List(t.Context(), test.size, test.token)
		wantCode(t, err, fleet.Invalid)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	w := newWorld(t)
	for _, s := range []fleet.Secret{w.secrets.JoinToken, w.secrets.AdminToken, "password"} {
		for _, format := range []string{"%s", "%v", "%+v", "%#v", "%q"} {
			text := fmt.Sprintf(format, struct{ S fleet.Secret }{s})
			if strings.Contains(text, string(s[len(s)-8:])) {
				t.Errorf("%s prints %s", format, text)
			}
		}
		if got := s.LogValue().String(); strings.Contains(got, string(s[len(s)-8:])) {
			t.Errorf("logged as %s", got)
		}
	}
}

func TestErrorCode(t *testing.T) {
	cause := errors.New("cause")
	err := fleet.Wrapf(fleet.Limit, cause, "at most %d", 3)
	for _, test := range []struct {
		err  error
		want fleet.Code
	}{
		{err, fleet.Limit},
		{fmt.Errorf("outer: %w", err), fleet.Limit},
		{cause, fleet.Internal},
		{context.Canceled, fleet.Internal},
	} {
		if got := fleet.ErrorCode(test.err); got != test.want {
			t.Errorf("%v: code %v, want %v", test.err, got, test.want)
		}
	}
	if !errors.Is(err, cause) || err.Error() != "at most 3: cause" {
		t.Errorf("got %v", err)
	}
}
