import type { ReactNode } from "react";
import { explain } from "@/lib/errors";
import { Button } from "./button";
import { Icon, type IconName } from "./icon";

/** Stands where content will be, in its size, so that nothing jumps. */
export function Skeleton({ className = "" }: { className?: string }) {
  return <div aria-hidden="true" className={`animate-pulse rounded bg-line ${className}`} />;
}

/** Nothing to show, why, and what to do. */
export function EmptyState({
  icon,
  title,
  children,
  action,
}: {
  icon?: IconName;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className="flex flex-col items-center gap-2 px-6 py-14 text-center">
      {icon ? <Icon name={icon} className="mb-1 size-6 text-ink-faint" /> : null}
      <h2 className="text-base">{title}</h2>
      {children ? <div className="max-w-prose text-ink-soft">{children}</div> : null}
      {action ? <div className="mt-2">{action}</div> : null}
    </div>
  );
}

/** A failure that hides content: what happened, and a way to try again. */
export function ErrorState({ title, error, onRetry }: { title: string; error: unknown; onRetry?: () => void }) {
  return (
    <div role="alert" className="flex flex-col items-center gap-2 px-6 py-14 text-center">
      <Icon name="alert" className="mb-1 size-6 text-bad" />
      <h2 className="text-base">{title}</h2>
      <p className="max-w-prose text-ink-soft">{explain(error)}</p>
      {onRetry ? (
        <Button className="mt-2" onClick={onRetry}>
          Try again
        </Button>
      ) : null}
    </div>
  );
}

/** A failure beside content that is still shown, though older. */
export function StaleNotice({ error }: { error: unknown }) {
  return (
    <div role="status" className="flex items-center gap-2 rounded-md bg-warn-soft px-3 py-1.5 text-warn">
      <Icon name="alert" />
      <span>{explain(error)} What is shown is older.</span>
    </div>
  );
}
