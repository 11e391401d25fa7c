"use client";

import { useTheme } from "next-themes";
import { IconButton } from "./button";
import { Menu, MenuChoice } from "./menu";

export const themes = [
  { value: "system", text: "System", icon: "system" },
  { value: "light", text: "Light", icon: "sun" },
  { value: "dark", text: "Dark", icon: "moon" },
] as const;

export function ThemeSwitch() {
  const { theme = "system", setTheme } = useTheme();
  return (
    <Menu trigger={<IconButton label="Theme" icon="sun" />} side="top" align="start">
      <MenuChoice label="Theme" value={theme} choices={[...themes]} onChange={setTheme} />
    </Menu>
  );
}
