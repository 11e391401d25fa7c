package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// encoding runs the benchmarks of package wire.
func encoding(ctx context.Context, dir string, runs int) (results, error) {
	return benchmarks(ctx, filepath.Join(dir, "wire.test"), "^Benchmark(Encode|Decode)$/^ticks=(1|10)$", "100ms", runs)
}

// spooling runs the benchmarks of the agent's spool, on the disk that dir is on.
func spooling(ctx context.Context, dir string, runs int) (results, error) {
	return benchmarks(ctx, filepath.Join(dir, "spool.test"), "^Benchmark(AppendAck|Flush|Replay)$", "500ms", runs)
}

// benchmarks runs those of a test's binary whose name fits the pattern.
func benchmarks(ctx context.Context, path, pattern, benchtime string, runs int) (results, error) {
	p, err := start(ctx, path, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", benchtime, "-test.count", strconv.Itoa(runs))
	if err != nil {
		return nil, err
	}
	<-p.exited
	if p.err != nil {
		return nil, fmt.Errorf("benchmarks of %s: %w:\n%s", path, p.err, p.output.String())
	}
	return parseBenchmarks(p.output.String())
}

// parseBenchmarks takes the metrics of lines such as
//
//	BenchmarkEncode/ticks=1-2  100  5356963 ns/op  0.65 bytes/sample  25.19 ns/sample
func parseBenchmarks(text string) (results, error) {
	out := make(results)
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := fields[0]
		if dash := strings.LastIndexByte(name, '-'); dash > 0 {
			name = name[:dash]
		}
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%q is no number of a benchmark: %s", fields[i], line)
			}
			out.add(name+" "+fields[i+1], v)
		}
	}
	return out, nil
}
