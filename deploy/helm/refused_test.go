package helm

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func difference(want, got any) string { return cmp.Diff(want, got) }

func TestRefused(t *testing.T) {
	for _, test := range []struct{ values, want string }{
		{`server: {replicas: 3}`, "server.replicas is 3: several servers share a database and a store of samples; give server.database.secretName"},
		{`server: {database: {secretName: db}}`, "server.database.secretName, server.metrics.write and server.metrics.read are given all or none"},
		{`server: {metrics: {write: "http://s/w", read: "http://s"}}`, "are given all or none"},
		{`server: {database: {secretName: db}, metrics: {write: "http://s/w", read: "http://s"}}`, "networkPolicy.ports is empty"},
		{`server: {metrics: {username: u}}`, "server.metrics.username is given without server.metrics.secretName"},
		{`server: {ingress: {enabled: true}}`, "server.ingress.host is empty"},
		{`server: {tls: {enabled: false, secretName: s}}`, "server.tls.secretName is given and server.tls.enabled is false"},
		{`server: {enabled: false}`, "agent.server is empty and server.enabled is false: name the server"},
		{`{server: {enabled: false}, agent: {server: "https://s:7070"}}`, "joinToken.secretName is empty and server.enabled is false"},
		{`{server: {enabled: false}, agent: {enabled: false}}`, "there is nothing to install"},

		{`sever: {}`, "additional properties 'sever' not allowed"},
		{`server: {replica: 3}`, "at '/server': additional properties 'replica' not allowed"},
		{`agent: {image: {tag: "1"}}`, "at '/agent/image': got object, want string"},
		{`server: {replicas: "3"}`, "at '/server/replicas': got string, want integer"},
		{`server: {replicas: 0}`, "at '/server/replicas': minimum: got 0, want 1"},
		{`server: {publicURL: sonde.example}`, "at '/server/publicURL': 'sonde.example' does not match pattern"},
		{`server: {metrics: {histograms: classic}}`, "at '/server/metrics/histograms': value must be one of 'native', 'vmrange'"},
		{`server: {persistence: {size: 10 GB}}`, "at '/server/persistence/size'"},
		{`server: {retention: 30d}`, "at '/server/retention'"},
		{`server: {extraArgs: [debug]}`, "at '/server/extraArgs/0': 'debug' does not match pattern '^--[a-z]'"},
		{`agent: {maxUnavailable: 0}`, "at '/agent/maxUnavailable'"},
		{`agent: {statePath: state}`, "at '/agent/statePath'"},
		{`image: {pullPolicy: always}`, "at '/image/pullPolicy'"},
		{`networkPolicy: {ports: [database]}`, "at '/networkPolicy/ports/0': got string, want integer"},
		{`networkPolicy: {enabled: "yes"}`, "at '/networkPolicy/enabled': got string, want boolean"},
	} {
		values := make(map[string]any)
		if err := yaml.UnmarshalStrict([]byte(test.values), &values); err != nil {
			t.Fatal(err)
		}
		if _, err := render(t, values, emptyCluster()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", test.values, err, test.want)
		}
	}
}
