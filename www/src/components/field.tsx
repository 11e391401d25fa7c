import { type ComponentProps, type ReactNode, useId } from "react";

/** A labelled text input that can show what is wrong with its value. */
export function TextField({
  label,
  error,
  hint,
  className = "",
  ...props
}: ComponentProps<"input"> & { label: string; error?: string | undefined; hint?: string }) {
  const id = useId();
  const noteId = `${id}-note`;
  const note = error ?? hint;
  return (
    <div className={className}>
      <label htmlFor={id} className="mb-1 block text-xs font-medium text-ink-soft">
        {label}
      </label>
      <input
        {...props}
        id={id}
        aria-invalid={error ? true : undefined}
        aria-describedby={note ? noteId : undefined}
        className={`${inputLook} w-full ${error ? "border-bad" : "border-control"}`}
      />
      {note ? (
        <p id={noteId} className={`mt-1 text-xs ${error ? "text-bad" : "text-ink-faint"}`}>
          {note}
        </p>
      ) : null}
    </div>
  );
}

/** For inputs that are named in another way; without a border colour. */
export const inputLook = "h-8 rounded-md border bg-surface px-2.5 text-sm text-ink";

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
