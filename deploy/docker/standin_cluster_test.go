//go:build container

package docker

import (
	"archive/tar"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// What the project of a cluster begins with besides.
const (
	postgresImage   = "postgres:17"
	prometheusImage = "prom/prometheus:v3.5.0"
	haproxyImage    = "haproxy:3.2"
)

// postgresStandIn is this machine's PostgreSQL with the part of the official
// image's entrypoint that the project uses.
func postgresStandIn(s *standIn) error {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errors.New("PostgreSQL is not installed: scripts/deps.sh installs it")
	}
	slices.Sort(found)
	bin := filepath.Dir(found[len(found)-1])
	version := filepath.Base(filepath.Dir(bin))
	for _, name := range []string{"postgres", "initdb", "pg_ctl", "pg_isready", "psql"} {
		if err := s.program(filepath.Join(bin, name), filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	if err := s.tree("/usr/lib/postgresql/"+version+"/lib", "/usr/lib/postgresql/"+version+"/lib", func(path string) bool {
		return path != "bitcode"
	}); err != nil {
		return err
	}
	if err := s.tree("/usr/share/postgresql/"+version, "/usr/share/postgresql/"+version, func(path string) bool {
		return path != "man" && path != "contrib"
	}); err != nil {
		return err
	}
	if err := s.file("/usr/share/zoneinfo/Etc/UTC", "/usr/share/zoneinfo/Etc/UTC"); err != nil {
		return err
	}
	if err := s.text("/etc/passwd", "postgres:x:999:999::/var/lib/postgresql:/bin/sh\n", 0o644); err != nil {
		return err
	}
	if err := s.folder("/var/lib/postgresql/data", 999, 0o1777); err != nil {
		return err
	}
	if err := s.folder("/var/run/postgresql", 999, 0o1777); err != nil {
		return err
	}
	if err := s.text("/usr/bin/docker-entrypoint.sh", `#!/bin/sh
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --no-sync --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --encoding=UTF8 --locale=C \
    --auth-local=trust --auth-host=scram-sha-256
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  pg_ctl -w start -o "-c listen_addresses="
  psql --username="$POSTGRES_USER" --dbname=postgres --command="CREATE DATABASE \"$POSTGRES_DB\""
  pg_ctl -w -m fast stop
fi
exec "$@"
`, 0o755); err != nil {
		return err
	}
	s.changes = []string{
		"ENV PATH=" + bin + ":/usr/bin:/bin", "ENV PGDATA=/var/lib/postgresql/data", "VOLUME /var/lib/postgresql/data",
		`ENTRYPOINT ["docker-entrypoint.sh"]`, `CMD ["postgres", "-c", "listen_addresses=*"]`,
	}
	return nil
}

func prometheusStandIn(s *standIn) error {
	s.changes = []string{`ENTRYPOINT ["/bin/prometheus"]`, "USER 65534:65534", "WORKDIR /prometheus", "VOLUME /prometheus"}
	if err := s.folder("/prometheus", 65534, 0o755); err != nil {
		return err
	}
	return s.programs("prometheus")
}

func haproxyStandIn(s *standIn) error {
	s.changes = []string{
		"ENV PATH=/usr/bin:/bin", "USER 99:99",
		`CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]`,
	}
	return s.programs("haproxy")
}

// folder writes an empty folder that belongs to a user.
func (s *standIn) folder(name string, uid int, mode int64) error {
	return s.tar.WriteHeader(&tar.Header{Name: name[1:] + "/", Typeflag: tar.TypeDir, Uid: uid, Gid: uid, Mode: mode})
}

// text writes a file with this text.
func (s *standIn) text(name, text string, mode int64) error {
	if err := s.tar.WriteHeader(&tar.Header{Name: name[1:], Mode: mode, Size: int64(len(text))}); err != nil {
		return err
	}
	_, err := io.Copy(s.tar, strings.NewReader(text))
	return err
}
