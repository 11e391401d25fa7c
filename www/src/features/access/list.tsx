import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { ReactNode } from "react";
import { ErrorState, Skeleton } from "@/components/states";
import { formatAgo, formatMoment } from "@/lib/format";

/** A table that becomes cards where there is no room for its columns. */
export function Table({ columns, label, children }: { columns: string[]; label: string; children: ReactNode }) {
  return (
    <div className="overflow-hidden rounded-lg border border-line bg-surface">
      <table aria-label={label} className="w-full border-collapse text-left max-wide:block">
        <thead className="max-wide:sr-only">
          <tr className="border-b border-line">
            {columns.map((column) => (
              <th key={column} scope="col" className="px-4 py-2.5 text-xs font-medium text-ink-soft">
                {column || <span className="sr-only">Actions</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="divide-y divide-line max-wide:block">{children}</tbody>
      </table>
    </div>
  );
}

export function Row({ children }: { children: ReactNode }) {
  return (
    <tr className="relative max-wide:flex max-wide:flex-wrap max-wide:items-center max-wide:gap-x-3 max-wide:gap-y-1 max-wide:px-4 max-wide:py-3">
      {children}
    </tr>
  );
}

/** name is the column's, which cards show before the value; without it the value stands for itself. */
export function Cell({ name, className = "", children }: { name?: string; className?: string; children: ReactNode }) {
  return (
    <td className={`align-middle wide:px-4 wide:py-2 ${className}`}>
      {name ? <span className="text-xs text-ink-faint wide:hidden">{name} </span> : null}
      {children}
    </td>
  );
}

/** How long ago; the moment itself is in its title. */
export function Ago({ at, nowMs }: { at: Parameters<typeof timestampMs>[0] | undefined; nowMs: number }) {
  if (!at) return <span className="text-ink-faint">never</span>;
  const ms = timestampMs(at);
  return (
    <time
      dateTime={new Date(ms).toISOString()}
      title={formatMoment(ms)}
      className="tnum whitespace-nowrap text-ink-soft"
    >
      {formatAgo(ms, nowMs)}
    </time>
  );
}

/** What stands in the place of a list that is not there (yet). */
export function Missing({ query, what }: { query: { error: unknown; refetch: () => unknown }; what: string }) {
  if (query.error) {
    return <ErrorState title={`${what} could not be read`} error={query.error} onRetry={() => void query.refetch()} />;
  }
  return (
    <div role="status" className="flex flex-col gap-2">
      <span className="sr-only">Reading</span>
      <Skeleton className="h-12" />
      <Skeleton className="h-12" />
      <Skeleton className="h-12" />
    </div>
  );
}
