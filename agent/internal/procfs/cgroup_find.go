package procfs

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// cgroupMember is a line of /proc/self/cgroup.
type cgroupMember struct {
	controllers []string // none for version 2
	path        string
}

func parseCgroupFile(b []byte, s *[]cgroupMember) error {
	*s = nil
	l := lines{rest: b}
	for {
		line, ok := l.next()
		if !ok {
			return nil
		}
		parts := bytes.SplitN(line, []byte(":"), 3)
		if len(parts) != 3 {
			return l.malformed("fewer than 3 fields in %q", line)
		}
		member := cgroupMember{path: string(parts[2])}
		if len(parts[1]) > 0 {
			member.controllers = strings.Split(string(parts[1]), ",")
		}
		*s = append(*s, member)
	}
}

// cgroupMount is a line of /proc/self/mountinfo that mounts a control group.
type cgroupMount struct {
	root, mountpoint string
	v2               bool
	options          []string // of the super block; names of controllers among them
}

func parseMountinfo(b []byte, s *[]cgroupMount) error {
	*s = nil
	l := lines{rest: b}
	for {
		line, ok := l.next()
		if !ok {
			return nil
		}
		before, after, found := bytes.Cut(line, []byte(" - "))
		fields, rest := bytes.Fields(before), bytes.Fields(after)
		if !found || len(fields) < 6 || len(rest) < 3 {
			return l.malformed("too few fields in %q", line)
		}
		kind := string(rest[0])
		if kind != "cgroup" && kind != "cgroup2" {
			continue
		}
		var undo Mounts
		*s = append(*s, cgroupMount{
			root:       string(undo.unescape(fields[3])),
			mountpoint: string(undo.unescape(fields[4])),
			v2:         kind == "cgroup2",
			options:    strings.Split(string(rest[2]), ","),
		})
	}
}

// cgroupDir returns the folder of this process's group for a controller of
// version 1, or for version 2 when controller is empty.
func (fs FS) cgroupDir(members []cgroupMember, mounts []cgroupMount, controller string) (string, bool) {
	for _, member := range members {
		if controller == "" && member.controllers != nil ||
			controller != "" && !slices.Contains(member.controllers, controller) {
			continue
		}
		for _, mount := range mounts {
			if mount.v2 != (controller == "") || controller != "" && !slices.Contains(mount.options, controller) {
				continue
			}
			// Within a namespace of control groups the path is relative to its
			// root; without one, a container sees only its part of the tree,
			// which the mount's root names.
			relative := member.path
			if mount.root != "/" {
				below, found := strings.CutPrefix(relative, mount.root)
				if !found || below != "" && below[0] != '/' {
					below = ""
				}
				relative = below
			}
			return fs.root(mount.mountpoint + path.Clean("/"+relative)), true
		}
	}
	return "", false
}
