"use client";

import { Code, ConnectError } from "@connectrpc/connect";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { TextField } from "@/components/field";
import { FormButtons } from "@/components/form-buttons";
import { Notice } from "@/components/notice";
import type { GetSelfResponse } from "@/gen/sonde/v1/access_service_pb";
import { explain } from "@/lib/errors";
import { useRuntime } from "@/lib/runtime";
import { selfKey } from "@/lib/self";
import { passwordProblem } from "./password";

/** Sets the password of whoever is signed in. */
export function PasswordForm({ self, onDone }: { self: GetSelfResponse; onDone: () => void }) {
  const { access } = useRuntime();
  const client = useQueryClient();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const change = useMutation({
    mutationFn: () => access.changePassword({ current, new: next }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: selfKey });
      onDone();
    },
  });
  const failure = change.error ? ConnectError.from(change.error) : null;
  const wrong = failure?.code === Code.InvalidArgument ? failure.rawMessage : "";
  const problem = passwordProblem(next);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!problem && next === again) change.mutate();
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      {/* For password managers, which want to know whose it is. */}
      <input type="text" autoComplete="username" value={self.user?.name ?? ""} readOnly hidden />
      {self.mayResetPassword ? null : (
        <TextField
          label="Current password"
          type="password"
          autoComplete="current-password"
          required
          value={current}
          onChange={(event) => setCurrent(event.target.value)}
          error={wrong.startsWith("current:") ? "This is not the current password." : undefined}
        />
      )}
      <TextField
        label="New password"
        type="password"
        autoComplete="new-password"
        required
        value={next}
        onChange={(event) => setNext(event.target.value)}
        hint="12 to 256 characters"
        error={next ? problem : undefined}
      />
      <TextField
        label="New password once more"
        type="password"
        autoComplete="new-password"
        required
        value={again}
        onChange={(event) => setAgain(event.target.value)}
        error={again && again !== next ? "The two differ." : undefined}
      />
      {failure && !wrong.startsWith("current:") ? (
        <Notice tone="bad" alert>
          {wrong || explain(failure)}
        </Notice>
      ) : null}
      <p className="text-xs text-ink-faint">All other browsers that are signed in as you are signed out.</p>
      <FormButtons
        text="Set the password"
        disabled={change.isPending || problem !== undefined || next !== again || (!self.mayResetPassword && !current)}
        onCancel={onDone}
      />
    </form>
  );
}
