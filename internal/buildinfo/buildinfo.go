// Package buildinfo says which build of Sonde is running.
package buildinfo

import (
	"runtime"
	"runtime/debug"
)

// version is set by the linker: -X sonde.dev/sonde/internal/buildinfo.version=v1.2.3.
var version string

// Version returns the version given at build time, else that of the module,
// else "devel".
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// String returns the version with the Go release and platform it was built for.
func String() string {
	return Version() + " (" + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")"
}
