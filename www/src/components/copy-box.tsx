"use client";

import { useState } from "react";
import { IconButton } from "./button";

/** A text to be copied as it is: a command, a link, a secret. */
export function CopyBox({ text, what, className = "" }: { text: string; what: string; className?: string }) {
  const [copied, setCopied] = useState("");
  const lines = text.split("\n").length;
  return (
    <div
      className={`flex items-start gap-2 rounded-lg border border-line bg-surface py-1.5 pr-1.5 pl-3 text-left ${className}`}
    >
      {/* Not a pre: this one can be reached, scrolled and marked by the keyboard. */}
      <textarea
        readOnly
        aria-label={what}
        value={text}
        rows={Math.min(18, lines)}
        wrap="off"
        onFocus={(event) => event.currentTarget.select()}
        className="min-w-0 flex-1 resize-none bg-transparent py-2 font-mono text-xs leading-4 text-ink outline-offset-4"
      />
      <IconButton
        label={copied === text ? "Copied" : `Copy: ${what}`}
        icon={copied === text ? "check" : "copy"}
        onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(text))}
      />
    </div>
  );
}
