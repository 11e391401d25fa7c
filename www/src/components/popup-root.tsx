"use client";

import { createContext, type RefObject, useContext } from "react";

/** Where menus and tooltips are put: within a landmark, so that assistive technology finds them there. */
export const PopupRootContext = createContext<RefObject<HTMLElement | null> | undefined>(undefined);

export function usePopupRoot(): RefObject<HTMLElement | null> | undefined {
  return useContext(PopupRootContext);
}
