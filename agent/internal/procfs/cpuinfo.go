package procfs

import "bytes"

// CPUInfo is what /proc/cpuinfo says of all CPUs together.
type CPUInfo struct {
	Count int    // logical CPUs that are online
	Model string // of the first; empty where the architecture does not tell
}

// CPUInfo opens /proc/cpuinfo.
func (fs FS) CPUInfo() *Source[CPUInfo] { return newSource(parseCPUInfo, fs.proc("cpuinfo")) }

func parseCPUInfo(b []byte, s *CPUInfo) error {
	*s = CPUInfo{}
	l := lines{rest: b}
	for {
		line, ok := l.next()
		if !ok {
			break
		}
		key, value, found := bytes.Cut(line, []byte(":"))
		if !found {
			continue
		}
		switch key = trimSpace(key); string(key) {
		case "processor":
			s.Count++
		// Old ARM kernels name the model by "Processor".
		case "model name", "Processor", "cpu model", "cpu":
			if s.Model == "" {
				s.Model = string(trimSpace(value))
			}
		default:
			// s390 writes "processor 0: version = …".
			if bytes.HasPrefix(key, []byte("processor ")) {
				s.Count++
			}
		}
	}
	if s.Count == 0 {
		return incomplete("processors")
	}
	return nil
}
