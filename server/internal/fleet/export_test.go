package fleet

import "context"

// Look does what Run does each second, with a clock that a test moves.
func (s *Steering) Look(ctx context.Context) error {
	s.flush(ctx)
	return s.look(ctx)
}

// Lead does what Run does each second for the lease.
func (s *Steering) Lead(ctx context.Context) error { return s.lead(ctx) }

// AdoptAgain is what Run does once a second.
func (s *Steering) AdoptAgain(ctx context.Context) error { return s.adoptAgain(ctx) }
