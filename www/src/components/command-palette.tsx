"use client";

import { Dialog } from "@base-ui/react/dialog";
import { Command } from "cmdk";
import { useRouter } from "next/navigation";
import { useTheme } from "next-themes";
import { useState } from "react";
import { useAddHost } from "@/lib/add-host";
import { stateName, useAgents } from "@/lib/agents";
import { useCanSteer, useSelf } from "@/lib/self";
import { useRangeLink } from "@/lib/use-time-range";
import { Dot, stateTexts, stateTones } from "./badge";
import { Icon } from "./icon";
import { pagesFor } from "./pages";
import { themes } from "./theme-switch";

const item =
  "flex h-9 cursor-default items-center gap-2.5 rounded-md px-2.5 text-ink-soft select-none data-[selected=true]:bg-hover data-[selected=true]:text-ink";
const group =
  "[&_[cmdk-group-heading]]:px-2.5 [&_[cmdk-group-heading]]:pt-3 [&_[cmdk-group-heading]]:pb-1 [&_[cmdk-group-heading]]:text-2xs [&_[cmdk-group-heading]]:font-medium [&_[cmdk-group-heading]]:text-ink-faint";

/** More hosts than this are found by typing. */
const maxHosts = 50;

/** Jump to a host or a page, or change the theme, by typing. */
export function CommandPalette({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }) {
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-40 bg-scrim transition-opacity duration-100 data-ending-style:opacity-0 data-starting-style:opacity-0" />
        <Dialog.Popup
          aria-label="Commands"
          className="popup-motion fixed top-[12dvh] left-1/2 z-50 w-[calc(100vw-2rem)] max-w-xl -translate-x-1/2 overflow-hidden rounded-xl border border-line bg-raised shadow-raised"
        >
          <Commands onDone={() => onOpenChange(false)} />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Commands({ onDone }: { onDone: () => void }) {
  const router = useRouter();
  const { setTheme } = useTheme();
  const agents = useAgents();
  const self = useSelf();
  const addHost = useAddHost();
  const canSteer = useCanSteer();
  const rangeLink = useRangeLink();
  const [search, setSearch] = useState("");
  const wanted = search.trim().toLowerCase();
  const matches = (text: string) => text.toLowerCase().includes(wanted);
  const hosts = (agents.data ?? [])
    .filter((agent) => matches(agent.name) || Object.entries(agent.labels).some(([k, v]) => matches(`${k}=${v}`)))
    .slice(0, maxHosts);
  const run = (action: () => void) => () => {
    onDone();
    action();
  };

  return (
    <Command shouldFilter={false} label="Commands" loop>
      <div className="flex items-center gap-2.5 border-b border-line px-4">
        <Icon name="search" className="text-ink-faint" />
        <Command.Input
          value={search}
          onValueChange={setSearch}
          placeholder="Find a host or a page"
          className="h-12 flex-1 bg-transparent text-base outline-none"
        />
      </div>
      <Command.List className="max-h-[50dvh] overflow-y-auto p-1.5 pt-0">
        <Command.Empty className="px-2.5 py-6 text-center text-ink-faint">Nothing is called so.</Command.Empty>
        <Command.Group heading="Pages" className={group}>
          {pagesFor(self.data?.role)
            .filter((page) => matches(page.name))
            .map((page) => (
              <Command.Item
                key={page.href}
                value={`page ${page.href}`}
                className={item}
                onSelect={run(() => router.push(page.ranged ? rangeLink(page.href) : page.href))}
              >
                <Icon name={page.icon} />
                {page.name}
              </Command.Item>
            ))}
        </Command.Group>
        {canSteer && matches("add a host") ? (
          <Command.Group heading="Actions" className={group}>
            <Command.Item value="add a host" className={item} onSelect={run(() => addHost())}>
              <Icon name="plus" />
              Add a host…
            </Command.Item>
          </Command.Group>
        ) : null}
        <Command.Group heading="Hosts" className={group}>
          {hosts.map((agent) => {
            const state = stateName(agent);
            return (
              <Command.Item
                key={agent.id}
                value={`host ${agent.id}`}
                className={item}
                onSelect={run(() => router.push(rangeLink(`/host?id=${agent.id}`)))}
              >
                <Dot tone={stateTones[state]} className="mx-1" />
                <span className="flex-1 truncate">{agent.name}</span>
                <span className="text-xs text-ink-faint">{stateTexts[state]}</span>
              </Command.Item>
            );
          })}
        </Command.Group>
        <Command.Group heading="Theme" className={group}>
          {themes
            .filter((theme) => matches(`${theme.text} theme`))
            .map((theme) => (
              <Command.Item
                key={theme.value}
                value={`theme ${theme.value}`}
                className={item}
                onSelect={run(() => setTheme(theme.value))}
              >
                <Icon name={theme.icon} />
                {theme.text} theme
              </Command.Item>
            ))}
        </Command.Group>
      </Command.List>
    </Command>
  );
}
