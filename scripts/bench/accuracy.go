package main

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
)

// accuracy takes what TestAccuracy of package probe prints: how far probes are
// from a delay that a wire injects, with the machine idle and busy.
func accuracy(ctx context.Context, dir string) (results, error) {
	p, err := start(ctx, filepath.Join(dir, "probe.test"), "-test.run", "^TestAccuracy$", "-test.v")
	if err != nil {
		return nil, err
	}
	<-p.exited
	text := p.output.String()
	if p.err != nil {
		return nil, fmt.Errorf("TestAccuracy: %w:\n%s", p.err, text)
	}
	r := make(results)
	for _, m := range accuracyLine.FindAllStringSubmatch(text, -1) {
		name := m[1] + " " + m[2] + " " + m[3]
		for i, quantile := range []string{"p50", "p99"} {
			v, err := strconv.ParseFloat(m[4+i], 64)
			if err != nil {
				return nil, fmt.Errorf("TestAccuracy: %w: %s", err, m[0])
			}
			r.add(name+" "+quantile, v/ms)
		}
	}
	if len(r) == 0 {
		return nil, fmt.Errorf("%w: TestAccuracy needs network namespaces and /dev/net/tun:\n%s", errLeftOut, text)
	}
	return r, nil
}

var accuracyLine = regexp.MustCompile(`(idle|busy) +(\S+) +(\S+) +\S* +p50 +(\S+) ms +p99 +(\S+) ms`)
