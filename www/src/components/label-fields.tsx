import { type LabelRow, labelRow } from "@/lib/labels";
import { Button, IconButton } from "./button";
import { inputLook } from "./field";

/** Labels as rows of a name and a value. */
export function LabelFields({
  rows,
  onRows,
  error,
  className = "",
}: {
  rows: LabelRow[];
  onRows: (rows: LabelRow[]) => void;
  error?: string | undefined;
  className?: string;
}) {
  const change = (id: number, part: Partial<LabelRow>) =>
    onRows(rows.map((row) => (row.id === id ? { ...row, ...part } : row)));
  return (
    <fieldset className={className}>
      <legend className="mb-1 text-xs font-medium text-ink-soft">Labels</legend>
      <div className="flex flex-col gap-1.5">
        {rows.map((row, i) => (
          <div key={row.id} className="flex items-center gap-1.5">
            <input
              aria-label={`Name of label ${i + 1}`}
              value={row.name}
              placeholder="env"
              spellCheck={false}
              onChange={(e) => change(row.id, { name: e.target.value })}
              className={`${inputLook} w-2/5 min-w-0 border-control`}
            />
            <span aria-hidden="true" className="text-ink-faint">
              =
            </span>
            <input
              aria-label={`Value of label ${i + 1}`}
              value={row.value}
              placeholder="prod"
              spellCheck={false}
              onChange={(e) => change(row.id, { value: e.target.value })}
              className={`${inputLook} min-w-0 flex-1 border-control`}
            />
            <IconButton
              label={`Remove label ${i + 1}`}
              icon="close"
              onClick={() => onRows(rows.filter(({ id }) => id !== row.id))}
            />
          </div>
        ))}
      </div>
      {error ? (
        <p role="alert" className="mt-1 text-xs text-bad">
          {error}
        </p>
      ) : null}
      <Button icon="plus" look="quiet" className="mt-1.5 -ml-1" onClick={() => onRows([...rows, labelRow()])}>
        Add a label
      </Button>
    </fieldset>
  );
}
