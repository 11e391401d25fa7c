import type { ReactNode } from "react";

/** Title at the left, controls at the right; below each other where there is no room. Sticks to the top when wide. */
export function PageHeader({ title, actions }: { title: ReactNode; actions?: ReactNode }) {
  return (
    <header className="wide:sticky wide:top-0 z-30 flex min-h-14 flex-wrap items-center justify-between gap-x-4 gap-y-2 border-b border-line bg-canvas px-4 py-2.5 wide:px-6">
      <div className="min-w-0 flex-1 basis-full wide:basis-0">
        {typeof title === "string" ? <h1 className="text-base">{title}</h1> : title}
      </div>
      {actions ? <div className="flex w-full flex-wrap items-center gap-2 wide:w-auto">{actions}</div> : null}
    </header>
  );
}
