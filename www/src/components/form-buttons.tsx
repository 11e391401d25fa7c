import { Button } from "./button";

/** The end of a form in a dialog: out of it, or on with it. */
export function FormButtons(props: {
  text: string;
  look?: "primary" | "danger";
  disabled: boolean;
  onCancel: () => void;
}) {
  return (
    <div className="flex justify-end gap-2">
      <Button onClick={props.onCancel}>Cancel</Button>
      <Button type="submit" look={props.look ?? "primary"} disabled={props.disabled}>
        {props.text}
      </Button>
    </div>
  );
}
