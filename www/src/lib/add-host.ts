"use client";

import { createContext, useContext } from "react";

/** What the dialog is opened for: new agents, or one that is known and shall come back. */
export type AddHostWish = { agent?: { id: string; name: string } };

/** Opens the dialog that shows how to add a host; features that offer it do not know it. */
export const AddHostContext = createContext<(wish?: AddHostWish) => void>(() => {});

export const useAddHost = () => useContext(AddHostContext);
