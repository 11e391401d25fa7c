package server

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sonde.dev/sonde/server/internal/certificate"
	"sonde.dev/sonde/server/internal/rpc"
)

// secure decides on what the port shows: the certificate that is given, one of
// the server's own authority, or none.
func (s *Server) secure() error {
	c := s.config
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	switch {
	case c.TLSCert != "":
		files, err := certificate.Open(c.TLSCert, c.TLSKey, s.log)
		if err != nil {
			return fmt.Errorf("tls-cert: %w", err)
		}
		s.certificate = files
	case c.TLS == TLSOwn, c.TLS == TLSAuto && !loopback(host):
		s.authority, err = certificate.OpenAuthority(filepath.Join(c.DataDir, "tls"), s.names, s.log, time.Now)
		if err != nil {
			return fmt.Errorf("data-dir: the server's own authority: %w", err)
		}
		s.certificate = s.authority
	}
	return nil
}

// names are what the server can be called by others, as far as it knows.
func (s *Server) names() []string {
	names := append([]string{"localhost", "127.0.0.1", "::1"}, s.config.TLSNames...)
	if name, err := os.Hostname(); err == nil && name != "localhost" {
		names = append(names, name)
	}
	if u, err := url.Parse(s.config.PublicURL); err == nil && u.Hostname() != "" {
		names = append(names, u.Hostname())
	}
	host, _, _ := net.SplitHostPort(s.config.Listen)
	if wildcard(host) {
		for _, ip := range addresses() {
			names = append(names, ip.String())
		}
	} else if host != "localhost" {
		names = append(names, host)
	}
	return names
}

func wildcard(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// addresses are those of this machine that others can reach it by.
func addresses() []net.IP {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var ips []net.IP
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			ips = append(ips, n.IP)
		}
	}
	return ips
}

// publicURL is what people and agents put before a path, when nobody has said.
func (s *Server) publicURL() string {
	if s.config.PublicURL != "" {
		return strings.TrimRight(s.config.PublicURL, "/")
	}
	scheme := "http"
	if s.certificate != nil {
		scheme = "https"
	}
	address := s.listener.Addr().String()
	if host, port, err := net.SplitHostPort(address); err == nil && wildcard(host) {
		if ips := addresses(); len(ips) > 0 {
			address = net.JoinHostPort(ips[0].String(), port)
		}
	}
	return scheme + "://" + address
}

func (s *Server) reach() rpc.Reach {
	reach := rpc.Reach{PublicURL: s.url}
	if s.authority != nil {
		reach.Pin = new(s.authority.Pin())
	}
	return reach
}

// introduceAuthority says how a browser can be made to trust the server.
func (s *Server) introduceAuthority() {
	if s.authority == nil {
		return
	}
	fmt.Fprintf(s.config.Out, "\n  Its certificate is by an authority of its own, which browsers do not know. To trust it, give them\n  %s, after comparing what they show as its SHA-256 with\n  %s\n",
		s.authority.Path(), s.authority.Fingerprint())
}

// serveAuthority gives the certificate of the authority, which is no secret.
func (s *Server) serveAuthority(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-pem-file")
	w.Write(s.authority.PEM())
}
