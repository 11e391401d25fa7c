# The agent and nothing else; docs/containers.md says how to run it and why it
# is made this way. Build it from the root of the repository:
#
#   docker build -f deploy/docker/agent.Dockerfile -t sonde-agent .

# The first lines are those of server.Dockerfile too, so that both share layers.
FROM golang:1.26-bookworm AS build
ENV CGO_ENABLED=0
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download

COPY proto/gen proto/gen
COPY internal internal
COPY agent agent
COPY cmd/sonde-agent cmd/sonde-agent
ARG VERSION=devel
RUN go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X sonde.dev/sonde/internal/buildinfo.version=$VERSION" \
      -o /out/sonde-agent ./cmd/sonde-agent \
 && install -d -m 0700 /volumes/state

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# A new volume takes the owner and the mode of the folder that it is mounted on.
COPY --from=build --chown=65532:65532 /volumes /
COPY --from=build /out/sonde-agent /usr/bin/sonde-agent
ENV SONDE_AGENT_STATE_DIR=/state
VOLUME /state
USER 65532:65532
ENTRYPOINT ["/usr/bin/sonde-agent"]

ARG VERSION=devel
LABEL org.opencontainers.image.title="sonde-agent" \
      org.opencontainers.image.description="Measures a host and probes latency for a Sonde server" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
