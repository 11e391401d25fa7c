package fleet

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Bounds of a password, in characters.
const (
	MinPasswordChars = 12
	MaxPasswordChars = 256
)

// The cost of a guess: argon2id as OWASP's cheat sheet on password storage gives
// it. A hash names the parameters it was made with, so those may change.
const (
	argonPasses    = 2
	argonMemoryKiB = 19 << 10
	argonThreads   = 1
	argonSaltBytes = 16
	argonKeyBytes  = 32
	// maxHashing bounds how many are computed at once, and with it the memory that
	// strangers can make the server use.
	maxHashing = 2
)

func validatePassword(password string) error {
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password):
		return Errorf(Invalid, "new: the password is not valid UTF-8")
	case n < MinPasswordChars:
		return Errorf(Invalid, "new: the password has %d characters: want at least %d", n, MinPasswordChars)
	case n > MaxPasswordChars:
		return Errorf(Invalid, "new: the password has %d characters: want at most %d", n, MaxPasswordChars)
	}
	return nil
}

// hashing computes the hashes of passwords, a few at a time.
type hashing chan struct{}

func newHashing() hashing { return make(hashing, maxHashing) }

// hash returns the encoded form of a new password: the PHC string format.
func (h hashing) hash(ctx context.Context, password string) (string, error) {
	var salt [argonSaltBytes]byte
	rand.Read(salt[:]) // never fails
	key, err := h.key(ctx, password, salt[:], argonPasses, argonMemoryKiB, argonThreads, argonKeyBytes)
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		argonMemoryKiB, argonPasses, argonThreads, b64.EncodeToString(salt[:]), b64.EncodeToString(key)), nil
}

// matches says whether a password is the one of an encoded hash. An empty hash
// matches nothing, and takes as long to say so.
func (h hashing) matches(ctx context.Context, encoded, password string) (bool, error) {
	if encoded == "" {
		_, err := h.hash(ctx, password)
		return false, err
	}
	var (
		version, memory, passes uint32
		threads                 uint8
		text                    string
	)
	n, err := fmt.Sscanf(encoded, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &memory, &passes, &threads, &text)
	if err != nil || n != 5 || version != argon2.Version || len(text) == 0 {
		return false, Errorf(Internal, "a stored password has an unknown form")
	}
	saltText, keyText, ok := strings.Cut(text, "$")
	salt, saltErr := base64.RawStdEncoding.DecodeString(saltText)
	want, keyErr := base64.RawStdEncoding.DecodeString(keyText)
	if !ok || saltErr != nil || keyErr != nil {
		return false, Errorf(Internal, "a stored password has an unknown form")
	}
	got, err := h.key(ctx, password, salt, passes, memory, threads, uint32(len(want)))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

func (h hashing) key(ctx context.Context, password string, salt []byte, passes, memory uint32, threads uint8, size uint32) ([]byte, error) {
	select {
	case h <- struct{}{}:
		defer func() { <-h }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return argon2.IDKey([]byte(password), salt, passes, memory, threads, size), nil
}
