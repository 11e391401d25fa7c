package fleet_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sonde.dev/sonde/server/internal/fleet"
)

// stuck is a store whose enrolments take until they are let go.
type stuck struct {
	fleet.Store
	release chan struct{}
}

func (s stuck) EnrollAgent(context.Context, fleet.Hash, fleet.Agent, fleet.Hash) (fleet.Agent, fleet.JoinToken, error) {
	<-s.release
	return fleet.Agent{}, fleet.JoinToken{}, nil
}

// Of more than the store gets done, the last are told soon to come again, and
// those before them are taken.
func TestEnrollStorm(t *testing.T) {
	token := newWorld(t).secrets.JoinToken
	synctest.Test(t, func(t *testing.T) {
		store := stuck{release: make(chan struct{})}
		registrar := fleet.NewRegistrar(store, time.Now)
		const agents = 100
		errs := make(chan error, agents)
		for range agents {
			go func() {
				_, _, _, err := registrar.Enroll(t.Context(), token, fleet.HostFacts{Hostname: "web"})
				errs <- err
			}()
		}
		time.Sleep(5 * time.Second) // of the clock that stands still while anything works
		refused := len(errs)
		if refused == 0 || refused == agents {
			t.Errorf("%d of %d are refused while the store is busy", refused, agents)
		}
		for range refused {
			if err := <-errs; fleet.ErrorCode(err) != fleet.Unavailable {
				t.Errorf("refused with %v", err)
			}
		}
		close(store.release)
		for range agents - refused {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}
