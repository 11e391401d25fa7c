"use client";

import { useState } from "react";
import { Dialog } from "@/components/dialog";
import { useSelf } from "@/lib/self";
import { PasswordForm } from "./password-form";

/** Where a password is changed, when wanted; and chosen, by somebody who was invited. */
export function PasswordDialog({ wanted, onClose }: { wanted: boolean; onClose: () => void }) {
  const self = useSelf();
  const [invited, setInvited] = useState(true);
  const user = self.data?.user;
  if (!self.data || !user) return null;
  // Who came by an invitation has no way back in until there is a password.
  const isNew = invited && !user.hasPassword && user.issuer === "" && self.data.mayResetPassword;
  const close = () => {
    setInvited(false);
    onClose();
  };
  return (
    <Dialog
      open={wanted || isNew}
      onOpenChange={close}
      title={isNew ? `Welcome, ${user.name}` : "Change the password"}
      description={isNew ? "Choose a password, with which you sign in from now on." : undefined}
    >
      <PasswordForm self={self.data} onDone={close} />
    </Dialog>
  );
}
