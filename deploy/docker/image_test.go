//go:build container

package docker

import (
	"testing"
)

func TestBuild(t *testing.T) {
	needImage(t, agentImage)
}
