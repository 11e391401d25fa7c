package fleet

import (
	"context"
	"time"
)

// Secrets are the two that a server keeps in files, so that one who may read
// its data directory can add agents and sign in.
type Secrets struct {
	// JoinToken lets any number of agents enrol and does not expire.
	JoinToken Secret
	// AdminToken is an API token of role [Admin].
	AdminToken Secret
}

// bootstrapName is the name that the tokens of Secrets have in the store.
const bootstrapName = "bootstrap"

// Bootstrap makes the secrets of the server's files work. It is called at every
// start, with what the files hold: an empty secret stands for a file that is
// missing or empty. It returns what the files must hold after that; the caller
// writes those that differ.
//
// The rule is that the files are the truth and the store follows:
//
//   - A secret in a file works after Bootstrap, also when the store is new or
//     comes from a backup: agents and scripts that were given it go on.
//   - A missing secret is made anew, and the one before it stops working, since
//     nobody can say any more who has it. Deleting a file and starting the
//     server is how a secret is rotated. Agents that have enrolled keep their
//     own credentials; a new admin token ends all sessions.
//
// Servers that share the store each have files of their own, so there a missing
// secret is made only by the first: one whose file is missing while the store has
// the secret of another takes part without, and its file stays missing.
//
// Whoever can write those files can write the database beside them, or has what
// opens it, so this gives nobody more than he has. Invalid: a file holds
// something else.
func Bootstrap(ctx context.Context, store Store, shared bool, now func() time.Time, files Secrets) (Secrets, error) {
	newJoin, newAdmin := files.JoinToken == "", files.AdminToken == ""
	if newJoin {
		files.JoinToken = newSecret(joinPrefix)
	} else if !files.JoinToken.IsJoinToken() {
		return Secrets{}, Errorf(Invalid, "the file join-token holds no join token (%s…): delete it, and the next start makes a new one", joinPrefix)
	}
	if newAdmin {
		files.AdminToken = newSecret(apiPrefix)
	} else if !files.AdminToken.IsAPIToken() {
		return Secrets{}, Errorf(Invalid, "the file admin-token holds no API token (%s…): delete it, and the next start makes a new one", apiPrefix)
	}
	putJoin, putAdmin := store.PutJoinToken, store.PutAPIToken
	if shared && newJoin {
		putJoin = store.CreateJoinToken
	}
	if shared && newAdmin {
		putAdmin = store.CreateAPIToken
	}
	err := putJoin(ctx, JoinToken{
		Name:      bootstrapName,
		Secret:    files.JoinToken.WithoutPin().hash(),
		CreatedAt: now(),
		UsesLeft:  -1,
	})
	if ErrorCode(err) == Exists && newJoin {
		files.JoinToken, err = "", nil
	}
	if err != nil {
		return Secrets{}, err
	}
	err = putAdmin(ctx, APIToken{
		Name:      bootstrapName,
		Secret:    files.AdminToken.hash(),
		Role:      Admin,
		CreatedAt: now(),
	})
	if ErrorCode(err) == Exists && newAdmin {
		files.AdminToken, err = "", nil
	}
	if err != nil {
		return Secrets{}, err
	}
	return files, nil
}
