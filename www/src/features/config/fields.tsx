import { type ComponentProps, type ReactNode, useId } from "react";
import { inputLook, TextField } from "@/components/field";

/** A text field whose change is the text. */
export function Field({
  onText,
  ...props
}: Omit<ComponentProps<typeof TextField>, "onChange"> & { onText: (text: string) => void }) {
  return (
    <TextField spellCheck={false} autoComplete="off" {...props} onChange={(event) => onText(event.target.value)} />
  );
}

/** A text field in a row of a table, named by the row and not by a text of its own. */
export function CellField({
  name,
  error,
  onText,
  className = "",
  ...props
}: Omit<ComponentProps<"input">, "onChange"> & {
  name: string;
  error?: string | undefined;
  onText: (text: string) => void;
}) {
  const noteId = useId();
  return (
    <div className={className}>
      <input
        spellCheck={false}
        autoComplete="off"
        {...props}
        aria-label={name}
        aria-invalid={error ? true : undefined}
        aria-describedby={error ? noteId : undefined}
        onChange={(event) => onText(event.target.value)}
        className={`${inputLook} w-full min-w-0 ${error ? "border-bad" : "border-control"}`}
      />
      {error ? (
        <p id={noteId} className="mt-1 text-xs text-bad">
          {error}
        </p>
      ) : null}
    </div>
  );
}

/** A part of the editor under a heading. */
export function Part({ title, note, children }: { title: string; note?: ReactNode; children: ReactNode }) {
  const id = useId();
  return (
    <section aria-labelledby={id} className="border-t border-line px-4 py-4">
      <h3 id={id} className="text-sm">
        {title}
      </h3>
      {note ? <p className="mt-0.5 mb-3 text-xs text-ink-faint">{note}</p> : <div className="h-2" />}
      {children}
    </section>
  );
}
