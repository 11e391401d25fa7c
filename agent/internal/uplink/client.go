package uplink

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"connectrpc.com/connect"

	"sonde.dev/sonde/internal/buildinfo"
	"sonde.dev/sonde/proto/gen/sonde/v1/sondev1connect"
)

// ParseServers returns the addresses in list, which is separated by commas.
// Each is http://host:port or https://host:port; a bare host:port means
// https, or http when the host is loopback.
func ParseServers(list string) ([]string, error) {
	var servers []string
	for s := range strings.SplitSeq(list, ",") {
		s = strings.TrimSpace(s)
		if s == "" {
			continue
		}
		full := s
		if !strings.Contains(s, "://") {
			full = "https://" + s
			if host, _, err := net.SplitHostPort(s); err == nil && isLoopback(host) {
				full = "http://" + s
			}
		}
		u, err := url.Parse(full)
		switch {
		case err != nil, u.Host == "", u.Hostname() == "":
			return nil, fmt.Errorf("%q is not a server address such as https://sonde.example:7070", s)
		case u.Scheme != "http" && u.Scheme != "https":
			return nil, fmt.Errorf("%q begins with neither http:// nor https://", s)
		case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "", u.User != nil:
			return nil, fmt.Errorf("%q has more than a scheme, host and port", s)
		}
		servers = append(servers, u.Scheme+"://"+u.Host)
	}
	if len(servers) == 0 {
		return nil, errors.New("no server address is given, such as http://127.0.0.1:7070")
	}
	return servers, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// newHTTPClient returns a client that speaks HTTP/2 only, in the clear to
// http:// addresses. config says whom to trust; nil: whom the system does.
func newHTTPClient(config *tls.Config) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	t := &http.Transport{
		Protocols: protocols,
		Proxy:     http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{
			Timeout: dialTimeout,
		}).DialContext,
		TLSClientConfig:     config,
		TLSHandshakeTimeout: dialTimeout,
		HTTP2: &http.HTTP2Config{
			// A dead path shows after half a minute at the latest even when
			// nothing is sent; see also silenceLimit.
			SendPingTimeout: 20 * time.Second,
			PingTimeout:     10 * time.Second,
		},
	}
	return &http.Client{Transport: whole{t}}
}

type serviceClient = sondev1connect.AgentServiceClient

func newServiceClient(h *http.Client, server string) serviceClient {
	return sondev1connect.NewAgentServiceClient(h, server,
		connect.WithGRPC(),
		connect.WithReadMaxBytes(1<<20),
	)
}

// userAgent tells servers' logs which build called.
func userAgent() string { return "sonde-agent/" + buildinfo.Version() }
