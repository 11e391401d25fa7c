package procfs

// Entry is one named value of a file that is a list of such. The bytes of its
// names belong to the [Source].
type Entry struct {
	Group []byte // the protocol in files of network counters, else empty
	Name  []byte
	Value float64
}
