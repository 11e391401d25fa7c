// Package command runs a cobra command as a process: it maps errors to exit
// codes and prints them.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes of both programs.
const (
	Stopped = 0 // asked to stop, or done
	Failed  = 1 // could not go on
	Misused = 2 // bad usage or configuration
)

// failure marks an error as not being one of usage.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// Failure marks err as what happened to a command that was used as it should
// be. It returns nil for nil.
func Failure(err error) error {
	if err == nil {
		return nil
	}
	return failure{err}
}

// exit is an exit code with a meaning of its own.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string { return e.err.Error() }
func (e exit) Unwrap() error { return e.err }

// Exit makes code the exit code of a command that documents it, as diff does.
// Without err nothing is printed: the command has said what there is to say.
func Exit(code int, err error) error { return exit{code, err} }

// Main runs cmd with the arguments of the process until it returns or the
// process is told to stop by SIGINT or SIGTERM, and exits. A second signal ends
// the process at once.
func Main(cmd *cobra.Command) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(Run(ctx, cmd, os.Args[1:], os.Stdout, os.Stderr))
}

// Run runs cmd and returns the exit code. Errors are printed to stderr, one a
// line.
func Run(ctx context.Context, cmd *cobra.Command, args []string, stdout, stderr io.Writer) int {
	cmd.SilenceUsage = true
	cmd.SilenceErrors = true
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return Stopped
	}
	own, exits := errors.AsType[exit](err)
	if exits && own.err == nil {
		return own.code
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintf(stderr, "%s: %s\n", cmd.Name(), line)
	}
	if exits {
		return own.code
	}
	if _, ok := errors.AsType[failure](err); ok {
		return Failed
	}
	fmt.Fprintf(stderr, "%s: see %s --help\n", cmd.Name(), cmd.Name())
	return Misused
}
