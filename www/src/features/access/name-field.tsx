import type { ComponentProps } from "react";
import { TextField } from "@/components/field";
import { nameProblem } from "./name";

/** The name of what is made; error is what the server has against it. */
export function NameField({
  onName,
  ...props
}: Pick<ComponentProps<typeof TextField>, "placeholder" | "error"> & {
  value: string;
  onName: (name: string) => void;
}) {
  return (
    <TextField
      label="Name"
      required
      spellCheck={false}
      autoCapitalize="off"
      autoComplete="off"
      hint="Letters, digits and . _ - @ +"
      {...props}
      onChange={(event) => onName(event.target.value)}
      error={props.error ?? (props.value ? nameProblem(props.value) : undefined)}
    />
  );
}
