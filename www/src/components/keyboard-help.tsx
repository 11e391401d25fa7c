"use client";

import { Dialog } from "./dialog";
import { modName } from "./hotkeys";
import { Kbd } from "./kbd";

export function KeyboardHelp({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }) {
  const shortcuts: [string[], string][] = [
    [[modName(), "K"], "Find a host, a page or a command"],
    [["/"], "Filter the list"],
    [["g", "o"], "Go to the overview"],
    [["g", "h"], "Go to hosts"],
    [["g", "l"], "Go to latency"],
    [["g", "c"], "Go to configuration"],
    [["g", "a"], "Go to access"],
    [["?"], "Show this help"],
    [["Esc"], "Close what is open"],
  ];
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="Keyboard">
      <dl className="grid grid-cols-[auto_1fr] items-center gap-x-6 gap-y-2">
        {shortcuts.map(([keys, text]) => (
          <div key={text} className="contents">
            <dt className="flex gap-1">
              {keys.map((key) => (
                <Kbd key={key}>{key}</Kbd>
              ))}
            </dt>
            <dd className="text-ink-soft">{text}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
