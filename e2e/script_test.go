package e2e

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the files of testdata/script, which specify what people type
// and see, one topic each.
//
// Besides what testscript brings, they may use
//
//	freeport NAME      sets the variable NAME to a port that nobody uses
//	await URL          waits until URL answers with 200
//	awaitlog FILE TEXT waits until FILE contains TEXT
//	tinydisk DIR       makes DIR a file system of 2 MiB
//
// and the conditions [root] and [buf].
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", programs+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "root":
				return os.Geteuid() == 0, nil
			case "buf":
				_, err := os.Stat(bufPath())
				return err == nil, nil
			}
			return false, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"freeport": freeport,
			"await":    awaitURL,
			"awaitlog": awaitLog,
			"tinydisk": tinyDisk,
			"buf":      buf,
		},
	})
}

func bufPath() string {
	path, err := filepath.Abs("../www/node_modules/.bin/buf")
	if err != nil {
		return ""
	}
	return path
}

func freeport(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	ts.Check(l.Close())
	ts.Setenv(args[0], port)
}

func until(ts *testscript.TestScript, what string, done func() bool) {
	for end := time.Now().Add(deadline); !done(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("waited in vain for %s", what)
		}
	}
}

func awaitURL(ts *testscript.TestScript, _ bool, args []string) {
	until(ts, args[0], func() bool {
		res, err := http.Get(args[0])
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

func awaitLog(ts *testscript.TestScript, _ bool, args []string) {
	until(ts, args[1]+" in "+args[0], func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && strings.Contains(string(text), args[1])
	})
}

func tinyDisk(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(exec.Command("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", dir).Run())
	ts.Defer(func() { _ = exec.Command("umount", "-l", dir).Run() })
}

// buf calls a method with buf curl: buf METHOD-URL TOKEN-FILE [DATA].
func buf(ts *testscript.TestScript, neg bool, args []string) {
	credential := "Authorization: Bearer " + strings.TrimSpace(ts.ReadFile(args[1]))
	call := []string{"curl", "--http2-prior-knowledge", "--protocol", "grpc", "--header", credential, "--reflect-header", credential}
	if len(args) > 2 {
		call = append(call, "--data", args[2])
	}
	err := ts.Exec(bufPath(), append(call, args[0])...)
	if neg != (err != nil) {
		ts.Fatalf("buf %v: %v", args, err)
	}
}
