"use client";

import type { ReactNode } from "react";
import { explain } from "@/lib/errors";
import { Dialog } from "./dialog";
import { FormButtons } from "./form-buttons";
import { Notice } from "./notice";

/** Asks before something is done that others notice; children say what follows from it. */
export function ConfirmDialog(props: {
  title: string;
  children: ReactNode;
  text: string;
  look?: "primary" | "danger";
  pending: boolean;
  error: unknown;
  onConfirm: () => void;
  onClose: () => void;
}) {
  return (
    <Dialog open onOpenChange={props.onClose} title={props.title} description={props.children}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          props.onConfirm();
        }}
        className="flex flex-col gap-4"
      >
        {props.error ? (
          <Notice tone="bad" alert>
            {explain(props.error)}
          </Notice>
        ) : null}
        <FormButtons
          text={props.text}
          look={props.look ?? "danger"}
          disabled={props.pending}
          onCancel={props.onClose}
        />
      </form>
    </Dialog>
  );
}
