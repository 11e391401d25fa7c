"use client";

import { type SortingState, useTable } from "@tanstack/react-table";
import { columns, features, type Row, sortableIds } from "./columns";

/** "-cpu" in the URL: by CPU, largest first. What cannot be read is by name. */
export function parseSorting(text: string): SortingState {
  const desc = text.startsWith("-");
  const id = desc ? text.slice(1) : text;
  return [sortableIds.includes(id) ? { id, desc } : { id: "name", desc: false }];
}

export function printSorting(sorting: SortingState): string {
  const first = sorting[0];
  return first ? `${first.desc ? "-" : ""}${first.id}` : "name";
}

export type SortedRowsProps = { rows: Row[]; sorting: SortingState; onSorting: (sorting: SortingState) => void };

export type SortedRow = ReturnType<ReturnType<typeof useAgentTable>["getRowModel"]>["rows"][number];

/** The table behind both the wide and the narrow view. */
export function useAgentTable({ rows, sorting, onSorting }: SortedRowsProps) {
  return useTable({
    features,
    columns,
    data: rows,
    state: { sorting },
    onSortingChange: (updater) => onSorting(typeof updater === "function" ? updater(sorting) : updater),
    getRowId: (row) => row.agent.id,
    enableSortingRemoval: false,
    enableMultiSort: false,
  });
}
