# The server with the web application in it, and nothing else;
# docs/containers.md says how to run it and why it is made this way. Build it
# from the root of the repository:
#
#   docker build -f deploy/docker/server.Dockerfile -t sonde-server .

FROM node:20-bookworm AS web
ENV NEXT_TELEMETRY_DISABLED=1
WORKDIR /src/www
COPY www/package.json www/package-lock.json ./
RUN npm ci --no-audit --no-fund --loglevel=error
COPY www ./
RUN npm run --silent build

# The first lines are those of agent.Dockerfile too, so that both share layers.
FROM golang:1.26-bookworm AS build
ENV CGO_ENABLED=0
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download

COPY proto/gen proto/gen
COPY internal internal
COPY agent agent
COPY server server
COPY cmd/sonde cmd/sonde
COPY www/*.go www/
COPY --from=web /src/www/out www/out
ARG VERSION=devel
RUN go build -tags embedweb -trimpath -buildvcs=false \
      -ldflags "-s -w -X sonde.dev/sonde/internal/buildinfo.version=$VERSION" \
      -o /out/sonde ./cmd/sonde \
 && install -d -m 0700 /volumes/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# A new volume takes the owner and the mode of the folder that it is mounted on.
COPY --from=build --chown=65532:65532 /volumes /
COPY --from=build /out/sonde /usr/bin/sonde
# On every address, since nobody reaches the loopback address of a container; the
# server encrypts then, by an authority of its own unless it is told otherwise.
ENV SONDE_DATA_DIR=/data SONDE_LISTEN=0.0.0.0:7070
VOLUME /data
EXPOSE 7070
USER 65532:65532
ENTRYPOINT ["/usr/bin/sonde"]
CMD ["server"]

ARG VERSION=devel
LABEL org.opencontainers.image.title="sonde-server" \
      org.opencontainers.image.description="Takes samples from Sonde agents, keeps them and shows them" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
