package probe

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

const (
	dnsPort = "53"
	// maxDNSReply is the size that queries offer to take, that of RFC 9715.
	maxDNSReply = 1400
)

func checkDNS(s *Spec) error {
	if _, _, err := splitHostPort(resolverAddress(s.Target)); err != nil {
		return &FieldError{"target", s.Target, "must be a resolver as IP address or host name, with or without :port"}
	}
	if _, ok := dns.IsDomainName(s.DNS.Name); s.DNS.Name != "" && !ok {
		return &FieldError{"dns.name", s.DNS.Name, "must be a domain name"}
	}
	if _, ok := dns.StringToType[s.DNS.Type]; s.DNS.Type != "" && !ok {
		return &FieldError{"dns.type", s.DNS.Type, "must be a type of records, such as AAAA"}
	}
	if _, ok := dns.StringToRcode[s.DNS.Rcode]; s.DNS.Rcode != "" && !ok {
		return &FieldError{"dns.rcode", s.DNS.Rcode, "must be a response code, such as NXDOMAIN"}
	}
	return nil
}

// resolverAddress adds the port to a target that has none.
func resolverAddress(target string) string {
	if _, err := netip.ParseAddr(target); err == nil || !strings.Contains(target, ":") {
		return net.JoinHostPort(target, dnsPort)
	}
	return target
}

// dnsProber asks a resolver over UDP, each attempt from a port of its own. A
// truncated answer is an answer.
type dnsProber struct {
	host     *host
	port     uint16
	question dns.Question
	rcode    string // empty: NOERROR or NXDOMAIN
	keeper   timestampKeeper
}

func newDNSProber(s Spec, cfg *Config) prober {
	name, port, _ := splitHostPort(resolverAddress(s.Target)) // Validate has seen it
	q := dns.Question{Name: dns.Fqdn(s.DNS.Name), Qtype: dns.StringToType[s.DNS.Type], Qclass: dns.ClassINET}
	if s.DNS.Type == "" {
		q.Qtype = dns.TypeA
		if q.Name == "." {
			q.Qtype = dns.TypeNS
		}
	}
	return &dnsProber{host: newHost(name, cfg.Resolver), port: port, question: q, rcode: s.DNS.Rcode}
}

func (p *dnsProber) attempt(ctx context.Context, a *attempt) (Outcome, error) {
	addr, err := p.host.lookup(ctx)
	if err != nil {
		return DNS, err
	}
	if err := p.keeper.open(); err != nil {
		return outcomeOf(err), err
	}
	query := &dns.Msg{
		MsgHdr:   dns.MsgHdr{Id: uint16(rand.Uint32()), RecursionDesired: true},
		Question: []dns.Question{p.question},
	}
	query.SetEdns0(maxDNSReply, false)
	packet, err := query.Pack()
	if err != nil {
		return Error, fmt.Errorf("packing query: %w", err)
	}
	fd, err := unix.Socket(familyOf(addr), unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return outcomeOf(err), os.NewSyscallError("socket", err)
	}
	d, err := connectDatagram(fd, netip.AddrPortFrom(addr, p.port))
	if err != nil {
		return outcomeOf(err), err
	}
	defer d.close()

	// What has another id is not for us (RFC 5452); what has ours and does not
	// parse is an answer that breaks the protocol.
	var answer dns.Msg
	var broken error
	took, err := d.exchange(ctx, packet, make([]byte, 4096), func(b []byte) bool {
		if len(b) < 2 || string(b[:2]) != string(packet[:2]) {
			return false
		}
		broken = answer.Unpack(b)
		return true
	}, func([]byte) bool { return true })
	if err != nil {
		return outcomeOf(err), err
	}
	switch {
	case broken != nil:
		return Protocol, fmt.Errorf("unpacking answer: %w", broken)
	case !answer.Response || len(answer.Question) > 1 || len(answer.Question) == 1 && !p.asked(answer.Question[0]):
		return Protocol, fmt.Errorf("answer is not to the question")
	case !p.accepts(answer.Rcode):
		return Status, fmt.Errorf("answered with %s", dns.RcodeToString[answer.Rcode])
	}
	a.add(phaseTotal, took)
	return Success, nil
}

func (p *dnsProber) asked(q dns.Question) bool {
	return strings.EqualFold(q.Name, p.question.Name) && q.Qtype == p.question.Qtype && q.Qclass == p.question.Qclass
}

func (p *dnsProber) accepts(rcode int) bool {
	if p.rcode == "" {
		return rcode == dns.RcodeSuccess || rcode == dns.RcodeNameError
	}
	return rcode == dns.StringToRcode[p.rcode]
}

func (p *dnsProber) close() error { return p.keeper.close() }
