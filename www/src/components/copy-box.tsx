"use client";

import { useRef, useState } from "react";
import { copyText } from "@/lib/clipboard";
import { IconButton } from "./button";

/** A text to be copied as it is: a command, a link, a secret. */
export function CopyBox({ text, what, className = "" }: { text: string; what: string; className?: string }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const [tried, setTried] = useState<{ text: string; isCopied: boolean }>();
  const isCopied = tried?.text === text ? tried.isCopied : undefined;
  const lines = text.split("\n").length;
  return (
    <div className={`text-left ${className}`}>
      <div className="flex items-start gap-2 rounded-lg border border-line bg-surface py-1.5 pr-1.5 pl-3">
        {/* Not a pre: this one can be reached, scrolled and marked by the keyboard. */}
        <textarea
          ref={field}
          readOnly
          aria-label={what}
          value={text}
          rows={Math.min(18, lines)}
          wrap="off"
          onFocus={(event) => event.currentTarget.select()}
          className="min-w-0 flex-1 resize-none bg-transparent py-2 font-mono text-xs leading-4 text-ink outline-offset-4"
        />
        <IconButton
          label={isCopied ? "Copied" : `Copy: ${what}`}
          icon={isCopied ? "check" : "copy"}
          onClick={() => void copyText(text, field.current).then((copied) => setTried({ text, isCopied: copied }))}
        />
      </div>
      {isCopied === false ? (
        <p role="alert" className="mt-1 text-xs text-bad">
          The browser did not copy it. It is selected now, to be copied by keyboard or menu.
        </p>
      ) : null}
    </div>
  );
}
