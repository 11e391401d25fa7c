package procfs

// NetNetstat opens net/netstat of the host's network namespace: what the kernel
// counts beyond the protocols' standards. Its form is that of net/snmp.
func (fs FS) NetNetstat() *Source[NetCounters] {
	return newSource(parseNetCounters, fs.net("netstat")...)
}
