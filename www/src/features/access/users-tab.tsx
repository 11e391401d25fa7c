"use client";

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { useState } from "react";
import { Badge } from "@/components/badge";
import { Button, IconButton } from "@/components/button";
import { ConfirmDialog } from "@/components/confirm-dialog";
import { Menu, MenuChoice, MenuItem, MenuSeparator } from "@/components/menu";
import { Notice } from "@/components/notice";
import { EmptyState } from "@/components/states";
import { Role, type User } from "@/gen/sonde/v1/access_pb";
import { explain } from "@/lib/errors";
import { formatMoment } from "@/lib/format";
import { useRuntime } from "@/lib/runtime";
import { roleTexts, useSelf } from "@/lib/self";
import { InviteDialog } from "./invite-dialog";
import { Ago, Cell, Missing, Row, Table } from "./list";
import { OnceDialog } from "./once-dialog";
import { useChange, useUsers } from "./use-access";

type Link = { user: string; path: string; expiresMs: number | null; isNew: boolean };

/** The people who may come in. */
export function UsersTab() {
  const { access, watch } = useRuntime();
  const nowMs = watch.now();
  const self = useSelf();
  const users = useUsers();
  const [inviting, setInviting] = useState<"self" | "other" | null>(null);
  const [removing, setRemoving] = useState<User | null>(null);
  const [link, setLink] = useState<Link | null>(null);
  const update = useChange((part: { id: string; role?: Role; disabled?: boolean }) => access.updateUser(part));
  const remove = useChange(
    (user: User) => access.removeUser({ id: user.id }),
    () => setRemoving(null),
  );
  const relink = useChange(
    async (user: User) => ({ user, made: await access.createLoginLink({ userId: user.id }) }),
    ({ user, made }) =>
      setLink({
        user: user.name,
        path: made.path,
        expiresMs: made.expiresAt ? timestampMs(made.expiresAt) : null,
        isNew: false,
      }),
  );
  if (!users.data) return <Missing query={users} what="The users" />;
  const failure = update.error ?? relink.error;
  const own = self.data?.user?.id;
  return (
    <div className="flex flex-col items-start gap-3">
      {users.data.length === 0 && self.data?.name === "link" ? (
        <div className="w-full">
          <Notice tone="accent" actions={<Button onClick={() => setInviting("self")}>Create my account</Button>}>
            You came in by the link that the server printed. Create an account of your own, so that you can sign in
            again and the audit log knows you.
          </Notice>
        </div>
      ) : null}
      {failure ? (
        <div className="w-full">
          <Notice tone="bad" alert>
            {explain(failure)}
          </Notice>
        </div>
      ) : null}
      <Button icon="plus" onClick={() => setInviting("other")}>
        Invite a person
      </Button>
      {users.data.length === 0 ? (
        <div className="w-full">
          <EmptyState icon="user" title="No users yet">
            Whoever can read the server's data directory comes in by its admin token. Users have names, roles and
            passwords of their own.
          </EmptyState>
        </div>
      ) : (
        <div className="w-full">
          <Table label="Users" columns={["Name", "Role", "Signs in by", "Last sign-in", ""]}>
            {users.data.map((user) => (
              <Row key={user.id}>
                <Cell className="font-medium max-wide:basis-full max-wide:pr-8">
                  {user.name}
                  {user.id === own ? <span className="ml-2 font-normal text-ink-faint">you</span> : null}
                  {user.disabled ? (
                    <span className="ml-2">
                      <Badge tone="bad">Disabled</Badge>
                    </span>
                  ) : null}
                </Cell>
                <Cell>{roleTexts[user.role]}</Cell>
                <Cell className="text-ink-soft">{signsInBy(user)}</Cell>
                <Cell name="Last sign-in">
                  <Ago at={user.lastSignInAt} nowMs={nowMs} />
                </Cell>
                <Cell className="text-right max-wide:absolute max-wide:top-1.5 max-wide:right-2">
                  <Menu trigger={<IconButton label={`Actions for ${user.name}`} icon="more" />}>
                    {user.id === own ? null : (
                      <>
                        <MenuChoice
                          label="Role"
                          value={String(user.role)}
                          choices={[Role.VIEWER, Role.OPERATOR, Role.ADMIN].map((role) => ({
                            value: String(role),
                            text: roleTexts[role],
                          }))}
                          onChange={(role) => update.mutate({ id: user.id, role: Number(role) })}
                        />
                        <MenuSeparator />
                      </>
                    )}
                    <MenuItem icon="key" onClick={() => relink.mutate(user)}>
                      New sign-in link…
                    </MenuItem>
                    {user.id === own ? null : (
                      <>
                        <MenuItem
                          icon={user.disabled ? "play" : "pause"}
                          onClick={() => update.mutate({ id: user.id, disabled: !user.disabled })}
                        >
                          {user.disabled ? "Enable" : "Disable"}
                        </MenuItem>
                        <MenuSeparator />
                        <MenuItem icon="trash" danger onClick={() => setRemoving(user)}>
                          Remove…
                        </MenuItem>
                      </>
                    )}
                  </Menu>
                </Cell>
              </Row>
            ))}
          </Table>
        </div>
      )}
      {inviting ? (
        <InviteDialog
          own={inviting === "self"}
          onClose={() => setInviting(null)}
          onInvited={(made) => {
            setInviting(null);
            setLink({
              user: made.user?.name ?? "",
              path: made.loginPath,
              expiresMs: made.loginExpiresAt ? timestampMs(made.loginExpiresAt) : null,
              isNew: true,
            });
          }}
        />
      ) : null}
      {link ? <LinkDialog link={link} base={self.data?.publicUrl ?? ""} onClose={() => setLink(null)} /> : null}
      {removing ? (
        <ConfirmDialog
          title={`Remove ${removing.name}?`}
          text="Remove"
          pending={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate(removing)}
          onClose={() => setRemoving(null)}
        >
          All sessions of {removing.name} end at once. What the audit log says of {removing.name} stays.
        </ConfirmDialog>
      ) : null}
    </div>
  );
}

function LinkDialog({ link, base, onClose }: { link: Link; base: string; onClose: () => void }) {
  return (
    <OnceDialog
      title={link.isNew ? `${link.user} is invited` : `A sign-in link for ${link.user}`}
      what="Sign-in link"
      secret={base + link.path}
      onClose={onClose}
    >
      It signs one browser in as {link.user}, once, and lets a password be chosen there.
      {link.expiresMs ? ` It works until ${formatMoment(link.expiresMs)}.` : ""} It is shown only now.
    </OnceDialog>
  );
}

function signsInBy(user: User): string {
  if (user.issuer) return user.issuer.replace(/^https?:\/\//, "");
  return user.hasPassword ? "Password" : "Link only";
}
