import type { ReactNode } from "react";

/** Something people should know before they go on. */
export function Notice({
  tone,
  children,
  actions,
  alert = false,
}: {
  tone: "warn" | "bad" | "accent";
  children: ReactNode;
  actions?: ReactNode;
  alert?: boolean;
}) {
  const looks = { warn: "bg-warn-soft text-warn", bad: "bg-bad-soft text-bad", accent: "bg-accent-soft text-accent" };
  return (
    <div
      role={alert ? "alert" : "status"}
      className={`flex flex-wrap items-center gap-x-4 gap-y-2 rounded-md px-3 py-2 ${looks[tone]}`}
    >
      <div className="min-w-0 flex-1 basis-64 wrap-break-word">{children}</div>
      {actions ? <div className="flex flex-wrap gap-2">{actions}</div> : null}
    </div>
  );
}
