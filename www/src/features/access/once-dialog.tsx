"use client";

import type { ReactNode } from "react";
import { Button } from "@/components/button";
import { CopyBox } from "@/components/copy-box";
import { Dialog } from "@/components/dialog";

/** A secret that the server has given out and will not show again. */
export function OnceDialog(props: {
  title: string;
  what: string;
  secret: string;
  children: ReactNode;
  onClose: () => void;
}) {
  return (
    <Dialog open onOpenChange={props.onClose} title={props.title} description={props.children} width="max-w-xl">
      <CopyBox what={props.what} text={props.secret} />
      <div className="mt-5 flex justify-end">
        <Button look="primary" onClick={props.onClose}>
          I have it
        </Button>
      </div>
    </Dialog>
  );
}
