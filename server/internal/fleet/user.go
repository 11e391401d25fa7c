package fleet

import (
	"strings"
	"time"
)

// Bounds of who may come in.
const (
	MaxUsers      = 10_000
	MaxAPITokens  = 1_000
	MaxJoinTokens = 1_000
	// MaxHandleBytes bounds the names of users and tokens.
	MaxHandleBytes = 64
)

// User is one person.
type User struct {
	// ID is a UUIDv7 in its text form.
	ID string
	// Name is unique whatever the case of its letters.
	Name     string
	Role     Role
	Disabled bool
	// Password is an encoded hash, see [hashPassword]; empty for none.
	Password string
	// Issuer and Subject are what an identity provider calls itself and the
	// person; both empty for none. Unique together.
	Issuer, Subject string
	CreatedAt       time.Time
	LastSignInAt    time.Time
}

// actor is what the audit log calls the user.
func (u User) actor() string { return "user:" + u.Name }

// UserChange is what an admin changes of a user. A nil field stays as it is.
type UserChange struct {
	Role     *Role
	Disabled *bool
}

// validateHandle checks the name of a user or a token. kind begins the error.
func validateHandle(kind, name string) error {
	switch {
	case name == "":
		return Errorf(Invalid, "%s is empty: want 1 to %d letters, digits and . _ - @ +", kind, MaxHandleBytes)
	case len(name) > MaxHandleBytes:
		return Errorf(Invalid, "%s %s has %d characters: want at most %d", kind, quote(name), len(name), MaxHandleBytes)
	}
	for i := range len(name) {
		if c := name[i]; !isAlphanumeric(c) && !strings.ContainsRune("._-@+", rune(c)) {
			return Errorf(Invalid, "%s %s has something else than letters, digits and . _ - @ +", kind, quote(name))
		}
	}
	return nil
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// FoldName returns a user's name as it is compared.
func FoldName(name string) string { return strings.ToLower(name) }
