package collect

import (
	"slices"
	"strings"
	"time"

	"sonde.dev/sonde/agent/internal/procfs"
	"sonde.dev/sonde/agent/internal/sample"
)

// system gives the host's clock, and what kernel and distribution it runs as
// labels of constants. They are read anew, since both a host's name and its
// distribution change while it runs.
type system struct {
	every
	fs procfs.FS

	uname  procfs.Uname
	os     []string // labels of node_os_info
	schema *sample.Schema
}

func newSystem(fs procfs.FS) *system {
	return &system{every: every{"system", 10 * time.Second}, fs: fs}
}

// osKeys are the keys of os-release that are labels, sorted.
var osKeys = [...]string{
	"BUILD_ID", "ID", "ID_LIKE", "IMAGE_ID", "IMAGE_VERSION", "NAME", "PRETTY_NAME",
	"VARIANT", "VARIANT_ID", "VERSION", "VERSION_CODENAME", "VERSION_ID",
}

func (c *system) Collect(now time.Time, row *Row) error {
	uname, err := c.fs.Uname()
	if err != nil {
		return err
	}
	// Without os-release, as in an image from scratch, there is nothing to tell.
	release, _ := c.fs.OSRelease()
	var os []string
	for _, key := range osKeys {
		if value := release[key]; value != "" && labelable([]byte(value)) {
			os = append(os, strings.ToLower(key), value)
		}
	}
	if c.schema == nil || uname != c.uname || !slices.Equal(os, c.os) {
		c.uname, c.os = uname, os
		nodename := strings.ToValidUTF8(uname.Nodename, "\uFFFD")
		all := []sample.Series{
			series("node_time_seconds"),
			series("node_uname_info",
				"domainname", uname.Domainname, "machine", uname.Machine, "nodename", nodename,
				"release", uname.Release, "sysname", uname.Sysname, "version", uname.Version),
		}
		if len(os) > 0 {
			all = append(all, series("node_os_info", os...))
		}
		c.schema = sample.NewSchema(all)
	}
	row.Begin(c.schema)
	row.Float(float64(now.UnixMilli()) / 1000)
	for range c.schema.Floats() - 1 {
		row.Float(1)
	}
	return nil
}
