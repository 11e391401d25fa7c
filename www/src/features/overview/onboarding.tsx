"use client";

import { useEffect, useState } from "react";
import { IconButton } from "@/components/button";
import { EmptyState } from "@/components/states";

/** What a fresh server shows: how a first host is added. */
export function Onboarding() {
  const [origin, setOrigin] = useState("http://127.0.0.1:7070");
  useEffect(() => setOrigin(window.location.origin), []);
  return (
    <EmptyState icon="host" title="No host has joined yet">
      <p>
        Run the agent on each host that is to be measured. The server wrote a join token to <Code>join-token</Code> in
        its data directory; copy that file to the host.
      </p>
      <Command
        text={`sonde-agent --server ${origin} --join-token-file ./join-token --state-dir ~/.local/share/sonde-agent`}
      />
      <p>The host appears here as soon as its first samples are stored.</p>
    </EmptyState>
  );
}

function Code({ children }: { children: string }) {
  return <code className="rounded bg-idle-soft px-1 py-0.5 font-mono text-xs text-ink">{children}</code>;
}

function Command({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  return (
    <div className="my-4 flex items-center gap-2 rounded-lg border border-line bg-surface py-1.5 pr-1.5 pl-3 text-left">
      <code className="min-w-0 flex-1 font-mono text-xs break-words text-ink">{text}</code>
      <IconButton
        label={copied ? "Copied" : "Copy the command"}
        icon={copied ? "check" : "copy"}
        onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}
      />
    </div>
  );
}
