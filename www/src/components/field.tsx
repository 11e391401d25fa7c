import { type ComponentProps, useId } from "react";

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
