package fleet

import "slices"

// Role is what a person or a program may do. Each may do all that the one before
// it may.
type Role string

const (
	// Viewer sees everything but who has access and what was done.
	Viewer Role = "viewer"
	// Operator steers the fleet, and reads the audit log.
	Operator Role = "operator"
	// Admin decides who has access.
	Admin Role = "admin"
)

// roles are all there are, from the least to the most.
var roles = []Role{Viewer, Operator, Admin}

// Allows says whether who has role r may do what needs role need. What needs an
// unknown role is allowed to nobody.
func (r Role) Allows(need Role) bool {
	has, wants := slices.Index(roles, r), slices.Index(roles, need)
	return wants >= 0 && has >= wants
}

func (r Role) validate() error {
	if !slices.Contains(roles, r) {
		return Errorf(Invalid, "role %s is none of viewer, operator and admin", quote(string(r)))
	}
	return nil
}

// Require returns a [PermissionDenied] error unless p has the role need.
func (p Principal) Require(need Role) error {
	if p.Role.Allows(need) {
		return nil
	}
	return Errorf(PermissionDenied, "this needs the role %s, and %s has the role %s", need, p.ID, p.Role)
}
