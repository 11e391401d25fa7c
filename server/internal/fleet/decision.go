package fleet

import "encoding/binary"

// decision is what a revision comes to for agents: the settings of each
// combination of policies are merged once.
type decision struct {
	number uint64
	ranked []Policy
	merged map[string]*Desired // by the numbers of the policies that select
}

// Desired is what is decided for agents. It is shared and never changes.
type Desired struct {
	// Hash is that of Settings.
	Hash       uint64
	Settings   Settings
	Provenance map[string]string
}

func newDecision(number uint64, c FleetConfig) *decision {
	return &decision{number: number, ranked: c.ranked(), merged: make(map[string]*Desired)}
}

// desired returns what is decided for an agent, the same pointer for agents
// that the same policies select.
func (p *decision) desired(a *Agent) *Desired {
	var key []byte
	for i := range p.ranked {
		if p.ranked[i].selects(a) {
			key = binary.BigEndian.AppendUint16(key, uint16(i))
		}
	}
	if d := p.merged[string(key)]; d != nil {
		return d
	}
	var selected []Policy
	for k := key; len(k) > 0; k = k[2:] {
		selected = append(selected, p.ranked[binary.BigEndian.Uint16(k)])
	}
	d := &Desired{}
	d.Settings, d.Provenance = merge(selected)
	d.Hash = d.Settings.Hash()
	p.merged[string(key)] = d
	return d
}
