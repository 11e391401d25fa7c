"use client";

import { FlexRender } from "@tanstack/react-table";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { memo, useLayoutEffect, useRef, useState } from "react";
import { Icon } from "@/components/icon";
import { Tooltip } from "@/components/tooltip";
import { columnHelp } from "./columns";
import { type SortedRow, type SortedRowsProps, useAgentTable } from "./sorting";

const rowHeight = 52;

/** Widths, alignment, and from which width of the window on a column is shown. */
const layout: Record<string, string> = {
  state: "w-24",
  name: "",
  cpu: "w-36 text-right",
  memory: "w-22 text-right",
  diskFull: "w-22 text-right",
  diskBusy: "w-22 text-right max-[88rem]:hidden",
  networkIn: "w-22 text-right",
  networkOut: "w-22 text-right max-[70rem]:hidden",
  latency: "w-18 text-right",
  loss: "w-16 text-right",
  seen: "w-20 text-right max-[74rem]:hidden",
  version: "w-16 text-right max-[86rem]:hidden",
  menu: "w-14 text-right",
};

/** All agents, of which only the rows on the screen are drawn. The window scrolls; the header stays. */
export function AgentTable(props: SortedRowsProps) {
  const table = useAgentTable(props);
  const sorted = table.getRowModel().rows;

  const body = useRef<HTMLTableSectionElement>(null);
  const [scrollMargin, setScrollMargin] = useState(0);
  useLayoutEffect(() => {
    const top = body.current?.getBoundingClientRect().top ?? 0;
    setScrollMargin(top + window.scrollY);
  }, []);
  const virtualizer = useWindowVirtualizer({
    count: sorted.length,
    estimateSize: () => rowHeight,
    overscan: 10,
    scrollMargin,
  });
  const items = virtualizer.getVirtualItems();
  const before = (items[0]?.start ?? scrollMargin) - scrollMargin;
  const after = virtualizer.getTotalSize() - ((items.at(-1)?.end ?? scrollMargin) - scrollMargin);

  return (
    <table aria-rowcount={sorted.length + 1} className="w-full table-fixed border-separate border-spacing-0">
      <caption className="sr-only">Hosts</caption>
      <thead>
        {table.getHeaderGroups().map((group) => (
          <tr key={group.id} aria-rowindex={1}>
            {group.headers.map((header) => {
              const direction = header.column.getIsSorted();
              const label = <FlexRender header={header} />;
              return (
                <th
                  key={header.id}
                  scope="col"
                  aria-sort={direction === "asc" ? "ascending" : direction === "desc" ? "descending" : undefined}
                  className={`sticky top-14 z-20 h-9 border-b border-line bg-canvas px-2 text-left text-xs font-medium text-ink-faint first:pl-6 last:pr-4 ${layout[header.column.id]}`}
                >
                  {header.column.getCanSort() ? (
                    <SortButton
                      help={columnHelp[header.column.id]}
                      direction={direction}
                      onClick={() => header.column.toggleSorting(undefined, false)}
                    >
                      {label}
                    </SortButton>
                  ) : (
                    label
                  )}
                </th>
              );
            })}
          </tr>
        ))}
      </thead>
      <tbody ref={body}>
        {before > 0 ? <Spacer height={before} /> : null}
        {items.map((item) => {
          const row = sorted[item.index];
          if (!row) return null;
          return <AgentRow key={row.id} row={row} index={item.index} />;
        })}
        {after > 0 ? <Spacer height={after} /> : null}
      </tbody>
    </table>
  );
}

/** Drawn anew only when its agent or its place is another one: scrolling moves the rest. */
const AgentRow = memo(function AgentRow({ row, index }: { row: SortedRow; index: number }) {
  return (
    <tr aria-rowindex={index + 2} style={{ height: rowHeight }} className="relative bg-surface hover:bg-hover">
      {row.getAllCells().map((cell) => (
        <td key={cell.id} className={`border-b border-line px-2 py-0 first:pl-6 last:pr-4 ${layout[cell.column.id]}`}>
          <FlexRender cell={cell} />
        </td>
      ))}
    </tr>
  );
});

function Spacer({ height }: { height: number }) {
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a row of a table takes no focus
    <tr aria-hidden="true">
      <td style={{ height, padding: 0 }} />
    </tr>
  );
}

function SortButton(props: {
  direction: false | "asc" | "desc";
  help: string | undefined;
  onClick: () => void;
  children: React.ReactNode;
}) {
  const button = (
    <button
      type="button"
      onClick={props.onClick}
      className={`inline-flex h-7 items-center gap-1 rounded hover:text-ink ${props.direction ? "text-ink" : ""}`}
    >
      {props.children}
      {props.direction ? <Icon name={props.direction === "asc" ? "up" : "down"} className="size-3" /> : null}
    </button>
  );
  return props.help ? <Tooltip text={props.help}>{button}</Tooltip> : button;
}
