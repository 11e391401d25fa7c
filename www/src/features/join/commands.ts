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

  kubernetes: ({ server, token }) => `apiVersion: v1
kind: Secret
metadata:
  name: sonde-join
stringData:
  join-token: ${yamlQuote(token)}
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: sonde-agent
spec:
  selector:
    matchLabels: {app: sonde-agent}
  template:
    metadata:
      labels: {app: sonde-agent}
    spec:
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        seccompProfile: {type: RuntimeDefault}
        sysctls:
          - {name: net.ipv4.ping_group_range, value: "65532 65532"}
      tolerations:
        - {operator: Exists}
      initContainers:
        # Gives the folder on the node to the agent's user.
        - name: state
          image: busybox:1.37
          command: [sh, -ec, "chmod 0700 /state && chown 65532:65532 /state"]
          securityContext:
            runAsNonRoot: false
            runAsUser: 0
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL], add: [CHOWN, FOWNER]}
          volumeMounts:
            - {name: state, mountPath: /state}
      containers:
        - name: agent
          image: sonde-agent
          args:
            - ${yamlQuote(`--server=${server}`)}
            - --join-token-file=/join/join-token
            - --proc-root=/host/proc
            - --sys-root=/host/sys
            - --root-fs=/host/root
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          resources:
            requests: {cpu: 10m, memory: 32Mi}
            limits: {memory: 192Mi}
          volumeMounts:
            - {name: state, mountPath: /state}
            - {name: join, mountPath: /join, readOnly: true}
            - {name: proc, mountPath: /host/proc, readOnly: true}
            - {name: sys, mountPath: /host/sys, readOnly: true}
            - {name: root, mountPath: /host/root, readOnly: true, mountPropagation: HostToContainer}
      volumes:
        - {name: state, hostPath: {path: /var/lib/sonde-agent, type: DirectoryOrCreate}}
        - {name: join, secret: {secretName: sonde-join, defaultMode: 0444}}
        - {name: proc, hostPath: {path: /proc}}
        - {name: sys, hostPath: {path: /sys}}
        - {name: root, hostPath: {path: /}}
`,
};

/** What is to be known beside the command. */
export const platformNotes: Record<Platform, string> = {
  docker:
    "The image is the one that deploy/docker/agent.Dockerfile makes. With Podman, as root, only the first word differs.",
  compose: "Save it as compose.yaml and run docker compose up --detach.",
  binary: "As root it keeps its state in /var/lib/sonde-agent, as anybody else in ~/.local/state/sonde-agent.",
  kubernetes:
    "One agent on each node: save it as sonde-agent.yaml and run kubectl apply -f sonde-agent.yaml. The token has to be for as many hosts as there are nodes.",
};
