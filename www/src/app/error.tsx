"use client";

import { Button } from "@/components/button";
import { EmptyState } from "@/components/states";

/** A page that failed; the shell around it still works. */
export default function PageError({ error }: { error: Error }) {
  return (
    <div role="alert">
      <EmptyState
        icon="alert"
        title="This page could not be shown"
        action={<Button onClick={() => window.location.reload()}>Load it again</Button>}
      >
        <p>After an upgrade of the server it may be of two versions, which goes away when it is loaded again.</p>
        <p className="mt-1 text-ink-faint">{error.message}</p>
      </EmptyState>
    </div>
  );
}
