package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
)

const (
	ms  = 1e3 // of seconds
	mib = 1.0 / (1 << 20)
)

//go:embed how.md
var how string

// report is the text of docs/benchmarks.md.
func report(ctx context.Context, m measured) string {
	var b bytes.Buffer
	b.WriteString(`# Benchmarks

` + "`make bench`" + ` measures these figures and writes this page. Each is the median of
all runs, with the least and the most; the kinds of runs take turns, Sonde's and its
peers' among them. A ratio is how many times as much the peer takes as Sonde: the
median of the rounds' ratios. CPU is that of the whole process, in user and kernel
mode, over a window in the steady state.

`)
	machine(ctx, &b)
	for _, t := range tables(ctx, m) {
		fmt.Fprintf(&b, "\n## %s\n\n| what | target | Sonde | peers in this run | ratio | peers, elsewhere |\n", t.title)
		b.WriteString("| --- | --- | --- | --- | --- | --- |\n")
		for _, r := range t.rows {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.what, r.target, r.sonde, r.peers, r.ratio, r.elsewhere)
		}
	}
	if len(m.leftOut) > 0 {
		b.WriteString("\nNot measured in this run:\n\n")
		for _, text := range m.leftOut {
			fmt.Fprintf(&b, "- %s\n", text)
		}
	}
	b.WriteString("\n" + how)
	return b.String()
}
