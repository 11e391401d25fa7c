import { useId } from "react";
import { Button, IconButton } from "@/components/button";
import { newId, type SelectorRow } from "./draft";
import { CellField } from "./fields";
import type { Problems } from "./validate";

/** Labels that an agent must have; what existing agents have is suggested. */
export function SelectorFields({
  rows,
  problems,
  suggestions,
  onRows,
}: {
  rows: SelectorRow[];
  problems: Problems;
  suggestions: Map<string, string[]>;
  onRows: (rows: SelectorRow[]) => void;
}) {
  const listId = useId();
  const change = (id: string, part: Partial<SelectorRow>) =>
    onRows(rows.map((row) => (row.id === id ? { ...row, ...part } : row)));
  return (
    <div className="flex flex-col items-start gap-1.5">
      <datalist id={`${listId}-keys`}>
        {[...suggestions.keys()].map((key) => (
          <option key={key} value={key} />
        ))}
      </datalist>
      {rows.map((row, i) => (
        <div key={row.id} className="flex w-full max-w-xl items-start gap-1.5">
          <datalist id={`${listId}-${row.id}`}>
            {suggestions.get(row.key.trim())?.map((value) => (
              <option key={value} value={value} />
            ))}
          </datalist>
          <CellField
            name={`Label ${i + 1}`}
            list={`${listId}-keys`}
            placeholder="role"
            value={row.key}
            error={problems.get(`${row.id}.key`)}
            onText={(key) => change(row.id, { key })}
            className="w-2/5 min-w-0"
          />
          <span aria-hidden="true" className="pt-1.5 text-ink-faint">
            =
          </span>
          <CellField
            name={`Value of label ${i + 1}`}
            list={`${listId}-${row.id}`}
            placeholder="web"
            value={row.value}
            onText={(value) => change(row.id, { value })}
            className="min-w-0 flex-1"
          />
          <IconButton
            label={`Remove label ${i + 1}`}
            icon="close"
            onClick={() => onRows(rows.filter(({ id }) => id !== row.id))}
          />
        </div>
      ))}
      <Button
        icon="plus"
        look="quiet"
        className="-ml-1"
        onClick={() => onRows([...rows, { id: newId(), key: "", value: "" }])}
      >
        Add a label
      </Button>
    </div>
  );
}
