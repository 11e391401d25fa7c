package fleet

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"strings"
)

// Secret is something that opens a door to whoever holds it. It prints and logs
// as its prefix only; string(s) is the way to the real text, on purpose.
type Secret string

// The prefixes let people and scanners for leaked secrets tell what they found.
const (
	joinPrefix    = "sonde_join_"
	agentPrefix   = "sonde_agent_"
	apiPrefix     = "sonde_api_"
	codePrefix    = "sonde_code_"
	sessionPrefix = "sonde_session_"
)

// secretBytes of randomness make guessing hopeless, so that one fast hash is
// enough to store: there is no dictionary to try.
const secretBytes = 32

func newSecret(prefix string) Secret {
	var b [secretBytes]byte
	rand.Read(b[:]) // never fails
	return Secret(prefix + base64.RawURLEncoding.EncodeToString(b[:]))
}

// pinSeparator stands between a join token and the fingerprint of the authority
// of the server that made it. Only an agent looks at what is behind it.
const pinSeparator = "."

// WithPin returns a join token with the fingerprint of the server's authority:
// the SHA-256 of its certificate.
func (s Secret) WithPin(pin [sha256.Size]byte) Secret {
	return s.WithoutPin() + pinSeparator + Secret(base64.RawURLEncoding.EncodeToString(pin[:]))
}

// WithoutPin returns a join token as it is looked up.
func (s Secret) WithoutPin() Secret {
	bare, _, _ := strings.Cut(string(s), pinSeparator)
	return Secret(bare)
}

// IsJoinToken says whether s has the form of a join token, with or without a
// fingerprint.
func (s Secret) IsJoinToken() bool { return s.WithoutPin().hasForm(joinPrefix) }

// IsAPIToken says whether s has the form of an API token.
func (s Secret) IsAPIToken() bool { return s.hasForm(apiPrefix) }

// IsSession says whether s has the form of a session.
func (s Secret) IsSession() bool { return s.hasForm(sessionPrefix) }

// hasForm says whether s could have come from newSecret with this prefix.
func (s Secret) hasForm(prefix string) bool {
	text, ok := strings.CutPrefix(string(s), prefix)
	if !ok || len(text) != base64.RawURLEncoding.EncodedLen(secretBytes) {
		return false
	}
	_, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil
}

// String returns the prefix and an ellipsis.
func (s Secret) String() string {
	for _, p := range []string{joinPrefix, agentPrefix, apiPrefix, codePrefix, sessionPrefix} {
		if strings.HasPrefix(string(s), p) {
			return p + "…"
		}
	}
	return "…"
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Hash is the SHA-256 of a secret's text with its prefix, the only form in
// which a secret is stored.
//
// A secret is looked up by its hash, which needs no comparison in constant
// time: what the time of an index look-up could tell of a stored hash is of no
// use to somebody who would still have to find 256 random bits behind it.
type Hash [sha256.Size]byte

func (s Secret) hash() Hash { return sha256.Sum256([]byte(s)) }

// ParseBearer returns the secret of an Authorization header's value, false when
// it is of another kind.
func ParseBearer(authorization string) (Secret, bool) {
	scheme, secret, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return Secret(strings.TrimSpace(secret)), true
}
