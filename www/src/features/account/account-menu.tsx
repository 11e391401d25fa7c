"use client";

import { Icon } from "@/components/icon";
import { Menu, MenuItem, MenuSeparator } from "@/components/menu";
import { roleTexts, useSelf } from "@/lib/self";
import { signOut } from "@/lib/session";
import { isDemo } from "@/lib/transport";

/** Who is signed in, and what that person can do about it. compact is for the bar of phones. */
export function AccountMenu({ compact, onPassword }: { compact: boolean; onPassword: () => void }) {
  const self = useSelf();
  if (!self.data) return null;
  const { user, role } = self.data;
  const name = user?.name ?? accountName(self.data.name);
  const trigger = compact ? (
    <button
      type="button"
      aria-label={`Account: ${name}`}
      className="inline-flex size-8 items-center justify-center rounded-md text-ink-soft hover:bg-hover"
    >
      <Icon name="user" />
    </button>
  ) : (
    <button
      type="button"
      aria-label={`Account: ${name}, ${roleTexts[role]}`}
      className="flex h-10 w-full items-center gap-2.5 rounded-md px-2 text-left hover:bg-hover data-popup-open:bg-hover"
    >
      <Icon name="user" className="text-ink-faint" />
      <span className="min-w-0 flex-1 leading-tight">
        <span className="block truncate font-medium">{name}</span>
        <span className="block text-2xs text-ink-faint">{roleTexts[role]}</span>
      </span>
    </button>
  );
  return (
    <Menu side={compact ? "bottom" : "top"} align={compact ? "end" : "start"} trigger={trigger}>
      <p className="px-2 py-1.5 text-xs text-ink-faint">
        {name}, {roleTexts[role].toLowerCase()}
      </p>
      <MenuSeparator />
      {user ? (
        <MenuItem icon="edit" onClick={onPassword}>
          Change the password…
        </MenuItem>
      ) : null}
      {isDemo ? null : (
        <MenuItem icon="exit" onClick={() => void signOut()}>
          Sign out
        </MenuItem>
      )}
    </Menu>
  );
}

/** Callers that are no users: "token:grafana", "link". */
function accountName(actor: string): string {
  if (actor === "link") return "Start link";
  return actor.replace(/^token:/, "Token ");
}
