"use client";

import type { ReactNode } from "react";
import { Button } from "@/components/button";
import { Dialog } from "@/components/dialog";
import { Notice } from "@/components/notice";
import { explain } from "@/lib/errors";

/** Asks before something is done that cannot be undone. */
export function ConfirmDialog(props: {
  title: string;
  children: ReactNode;
  text: string;
  pending: boolean;
  error: unknown;
  onConfirm: () => void;
  onClose: () => void;
}) {
  return (
    <Dialog open onOpenChange={props.onClose} title={props.title}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          props.onConfirm();
        }}
        className="flex flex-col gap-4"
      >
        <p className="text-ink-soft">{props.children}</p>
        {props.error ? (
          <Notice tone="bad" alert>
            {explain(props.error)}
          </Notice>
        ) : null}
        <div className="flex justify-end gap-2">
          <Button onClick={props.onClose}>Cancel</Button>
          <Button type="submit" look="danger" disabled={props.pending}>
            {props.text}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
