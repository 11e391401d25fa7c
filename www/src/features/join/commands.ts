/** What a command to start an agent is made of. */
export type Join = {
  /** Base URL of the server. */
  server: string;
  /** The join token. */
  token: string;
};

export const platforms = ["docker", "compose", "binary", "kubernetes"] as const;
export type Platform = (typeof platforms)[number];

export const platformNames: Record<Platform, string> = {
  docker: "Docker",
  compose: "Compose",
  binary: "Binary",
  kubernetes: "Kubernetes",
};

/** A word of a POSIX shell: as it is when nothing in it is special, else in single quotes. */
export function shellQuote(text: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A text of YAML, always in double quotes; JSON's are a part of YAML's. */
const yamlQuote = (text: string) => JSON.stringify(text);

/** The command, or the file, that starts an agent; docs/containers.md explains each line of it. */
export function command(platform: Platform, join: Join): string {
  return writers[platform](join);
}

const writers: Record<Platform, (join: Join) => string> = {
  docker: ({ server, token }) =>
    [
      "docker run --detach --name sonde-agent --restart unless-stopped",
      "--read-only --cap-drop ALL --security-opt no-new-privileges",
      "--pids-limit 512 --memory 192m",
      '--sysctl net.ipv4.ping_group_range="65532 65532"',
      `--env SONDE_AGENT_JOIN_TOKEN=${shellQuote(token)}`,
      "--volume sonde-agent:/state",
      "--volume /proc:/host/proc:ro",
      "--volume /sys:/host/sys:ro",
      "--volume /:/host/root:ro,rslave",
      `sonde-agent --server ${shellQuote(server)}`,
      "--proc-root /host/proc --sys-root /host/sys --root-fs /host/root",
    ].join(" \\\n  "),

  compose: ({ server, token }) => `services:
  sonde-agent:
    image: sonde-agent
    command:
      - ${yamlQuote(`--server=${server}`)}
      - --proc-root=/host/proc
      - --sys-root=/host/sys
      - --root-fs=/host/root
    environment:
      SONDE_AGENT_JOIN_TOKEN: ${yamlQuote(token)}
    volumes:
      - sonde-agent:/state
      - /proc:/host/proc:ro
      - /sys:/host/sys:ro
      - /:/host/root:ro,rslave
    sysctls:
      net.ipv4.ping_group_range: "65532 65532"
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    pids_limit: 512
    mem_limit: 192m
    restart: unless-stopped

volumes:
  sonde-agent:
`,

  binary: ({ server, token }) =>
    `SONDE_AGENT_JOIN_TOKEN=${shellQuote(token)} sonde-agent --server ${shellQuote(server)}`,

  kubernetes: ({ server, token }) =>
    [
      `kubectl create namespace sonde`,
      `kubectl -n sonde create secret generic sonde-join --from-literal=join-token=${shellQuote(token)}`,
      [
        "helm upgrade --install sonde-agent deploy/helm/sonde --namespace sonde",
        "--set server.enabled=false --set agent.enabled=true",
        `--set-string agent.server=${shellQuote(server)}`,
        "--set agent.joinToken.existingSecret=sonde-join",
      ].join(" \\\n  "),
    ].join("\n"),
};

/** What is to be known beside the command. */
export const platformNotes: Record<Platform, string> = {
  docker:
    "The image is the one that deploy/docker/agent.Dockerfile makes. With Podman, as root, only the first word differs.",
  compose: "Save it as compose.yaml and run docker compose up --detach.",
  binary: "As root it keeps its state in /var/lib/sonde-agent, as anybody else in ~/.local/state/sonde-agent.",
  kubernetes:
    "One agent on each node. The chart is in deploy/helm/sonde; the token has to be for any number of agents.",
};
