package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"time"
)

// applicationCodeLifetime is how long an application has to exchange its code.
const applicationCodeLifetime = time.Minute

// challengeSeparator stands between a code and its challenge in what is hashed.
const challengeSeparator = "."

// CreateApplicationCode makes a code that the web application of another origin
// exchanges for a session of p, once, within a minute. Only who knows the
// verifier that challenge was made of can: the base64url of its SHA-256 (RFC
// 7636, S256). State: p has no session.
func (a *Access) CreateApplicationCode(ctx context.Context, p Principal, challenge string) (Secret, error) {
	if p.session == (Hash{}) {
		return "", Errorf(State, "%s is not signed in in a browser", p.ID)
	}
	code := newSecret(codePrefix)
	err := a.store.CreateLoginCode(ctx, LoginCode{
		Secret: code.withChallenge(challenge), UserID: p.UserID, Actor: p.ID, Role: p.Role,
		Parent: &p.session, ExpiresAt: a.now().Add(applicationCodeLifetime),
	})
	if err != nil {
		return "", err
	}
	return code, nil
}

// ExchangeApplicationCode turns a code into a session, which ends with the one
// that let the application in, and that one with it. Unauthenticated: the code is
// unknown, was used, has expired, or was made for another verifier.
func (a *Access) ExchangeApplicationCode(ctx context.Context, code Secret, verifier string) (Secret, Principal, error) {
	if !code.hasForm(codePrefix) {
		return "", Principal{}, Errorf(Unauthenticated, "code: is none of this server")
	}
	challenge := sha256.Sum256([]byte(verifier))
	return a.redeem(ctx, code.withChallenge(base64.RawURLEncoding.EncodeToString(challenge[:])))
}

// withChallenge is what a code is stored under, so that it is unknown to whoever
// comes without the verifier.
func (s Secret) withChallenge(challenge string) Hash {
	return (s + challengeSeparator + Secret(challenge)).hash()
}
