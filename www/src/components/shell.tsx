"use client";

import Link from "next/link";
import { usePathname, useRouter } from "next/navigation";
import { useTheme } from "next-themes";
import { type ReactNode, Suspense, useEffect, useRef, useState } from "react";
import { useSelf } from "@/lib/self";
import { isDemo } from "@/lib/transport";
import { useRangeLink, withRange } from "@/lib/use-time-range";
import { IconButton } from "./button";
import { CommandPalette } from "./command-palette";
import { ConnectionIndicator } from "./connection-indicator";
import { modName, useHotkeys } from "./hotkeys";
import { Icon, Mark } from "./icon";
import { Kbd } from "./kbd";
import { KeyboardHelp } from "./keyboard-help";
import { Menu, MenuChoice, MenuItem, MenuSeparator } from "./menu";
import { pagesFor } from "./pages";
import { PopupRootContext } from "./popup-root";
import { ThemeSwitch, themes } from "./theme-switch";
import { Tooltip } from "./tooltip";

/** The frame of every page: navigation, connection, commands. */
export function Shell({ account, children }: { account: (compact: boolean) => ReactNode; children: ReactNode }) {
  const router = useRouter();
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  const main = useRef<HTMLElement>(null);
  useHotkeys({
    "mod+k": () => setPalette(true),
    "?": () => setHelp(true),
    "g o": () => router.push("/"),
    "g h": () => router.push(withRange("/host", location.search)),
    "g l": () => router.push(withRange("/latency", location.search)),
    "g c": () => router.push("/config"),
    "g a": () => router.push("/access"),
  });

  return (
    <PopupRootContext value={main}>
      <div className="min-h-dvh wide:pl-52">
        <a
          href="#content"
          className="fixed top-2 left-2 z-50 -translate-y-20 rounded-md bg-accent px-3 py-1.5 font-medium text-accent-ink focus:translate-y-0"
        >
          Skip to content
        </a>
        <Sidebar onSearch={() => setPalette(true)} onHelp={() => setHelp(true)} account={account(false)} />
        <TopBar onSearch={() => setPalette(true)} account={account(true)} />
        <main ref={main} id="content" tabIndex={-1} className="min-w-0 pb-16 outline-none wide:pb-0">
          {children}
        </main>
        <BottomBar onHelp={() => setHelp(true)} />
        <CommandPalette open={palette} onOpenChange={setPalette} />
        <KeyboardHelp open={help} onOpenChange={setHelp} />
      </div>
    </PopupRootContext>
  );
}

/** How long the first page has the browser and the server to itself. */
const readAheadMs = 3_000;

/** Links to the pages, which are read ahead: they then open at once, even while the server is away. */
function PageLinks(props: { className: string }) {
  // The page for addresses that do not exist is rendered ahead, when no URL and so no range is known.
  return (
    <Suspense>
      <RangedLinks {...props} />
    </Suspense>
  );
}

function RangedLinks({ className }: { className: string }) {
  const path = usePathname();
  const self = useSelf();
  const rangeLink = useRangeLink();
  const [ahead, setAhead] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setAhead(true), readAheadMs);
    return () => clearTimeout(timer);
  }, []);
  const isCurrent = (href: string) => (href === "/" ? path === "/" : path.startsWith(href));
  return pagesFor(self.data?.role).map((page) => (
    <Link
      key={page.href}
      href={page.ranged ? rangeLink(page.href) : page.href}
      prefetch={ahead ? null : false}
      aria-current={isCurrent(page.href) ? "page" : undefined}
      className={className}
    >
      <Icon name={page.icon} />
      {page.name}
    </Link>
  ));
}

type Parts = { onSearch: () => void; onHelp: () => void; account: ReactNode };

function Sidebar({ onSearch, onHelp, account }: Parts) {
  return (
    <aside className="fixed inset-y-0 left-0 z-30 hidden w-52 flex-col border-r border-line bg-surface wide:flex">
      <div className="flex h-14 items-center gap-2 px-4 font-semibold tracking-tight">
        <Mark />
        Sonde
        {isDemo ? <span className="ml-auto text-2xs font-normal text-ink-faint">Demo</span> : null}
      </div>
      <div className="px-3 pb-3">
        <button
          type="button"
          onClick={onSearch}
          className="flex h-8 w-full items-center gap-2 rounded-md border border-line bg-canvas px-2 text-ink-faint hover:border-line-strong"
        >
          <Icon name="search" />
          <span className="flex-1 text-left">Find</span>
          <Shortcut />
        </button>
      </div>
      <nav aria-label="Main" className="flex flex-1 flex-col gap-0.5 px-3">
        <PageLinks className="flex h-8 items-center gap-2.5 rounded-md px-2 font-medium text-ink-soft hover:bg-hover hover:text-ink aria-[current=page]:bg-hover aria-[current=page]:text-ink" />
      </nav>
      <div className="flex flex-col gap-1 border-t border-line p-3">
        {account}
        <ConnectionIndicator />
        <div className="flex items-center gap-0.5">
          <ThemeSwitch />
          <Tooltip text="Keyboard">
            <IconButton label="Keyboard" icon="help" onClick={onHelp} />
          </Tooltip>
        </div>
      </div>
    </aside>
  );
}

/** The name of the modifier is known only in the browser. */
function Shortcut() {
  const [mod, setMod] = useState("");
  useEffect(() => setMod(modName()), []);
  return mod ? <Kbd>{mod} K</Kbd> : null;
}

function TopBar({ onSearch, account }: Pick<Parts, "onSearch" | "account">) {
  return (
    <header className="sticky top-0 z-30 flex h-12 items-center gap-2 border-b border-line bg-surface px-4 font-semibold wide:hidden">
      <Mark />
      Sonde
      <div className="ml-auto flex items-center font-normal">
        <ConnectionIndicator compact />
        <IconButton label="Find" icon="search" onClick={onSearch} />
        {account}
      </div>
    </header>
  );
}

function BottomBar({ onHelp }: Pick<Parts, "onHelp">) {
  const { theme = "system", setTheme } = useTheme();
  const tab =
    "flex flex-1 flex-col items-center justify-center gap-0.5 text-2xs text-ink-faint aria-[current=page]:text-accent";
  return (
    <nav
      aria-label="Main"
      className="fixed inset-x-0 bottom-0 z-30 flex h-14 border-t border-line bg-surface pb-[env(safe-area-inset-bottom)] wide:hidden"
    >
      <PageLinks className={tab} />
      <Menu
        side="top"
        trigger={
          <button type="button" className={tab}>
            <Icon name="more" />
            More
          </button>
        }
      >
        <MenuChoice label="Theme" value={theme} choices={[...themes]} onChange={setTheme} />
        <MenuSeparator />
        <MenuItem icon="help" onClick={onHelp}>
          Keyboard
        </MenuItem>
      </Menu>
    </nav>
  );
}
