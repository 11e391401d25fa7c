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

/** A choice of a few; hidden sets the label aside for what is named by its row. */
export function SelectField({
  label,
  hideLabel = false,
  value,
  choices,
  onValue,
  error,
  className = "",
}: {
  label: string;
  hideLabel?: boolean;
  value: string;
  choices: readonly { value: string; text: string }[];
  onValue: (value: string) => void;
  error?: string | undefined;
  className?: string;
}) {
  const id = useId();
  return (
    <div className={className}>
      <label htmlFor={id} className={hideLabel ? "sr-only" : "mb-1 block text-xs font-medium text-ink-soft"}>
        {label}
      </label>
      <select
        id={id}
        value={value}
        aria-invalid={error ? true : undefined}
        onChange={(event) => onValue(event.target.value)}
        className={`${inputLook} w-full ${error ? "border-bad" : "border-control"}`}
      >
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.text}
          </option>
        ))}
      </select>
      {error ? <p className="mt-1 text-xs text-bad">{error}</p> : null}
    </div>
  );
}

export function CheckField({
  checked,
  onChecked,
  children,
}: {
  checked: boolean;
  onChecked: (checked: boolean) => void;
  children: ReactNode;
}) {
  return (
    <label className="flex min-h-8 items-center gap-2 text-ink-soft">
      <input
        type="checkbox"
        checked={checked}
        onChange={(event) => onChecked(event.target.checked)}
        className="size-4 accent-accent"
      />
      {children}
    </label>
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
