import { Tabs as Base } from "@base-ui/react/tabs";
import type { ReactNode } from "react";

/** A row of tabs and the panel of the one that was chosen. */
export function Tabs<T extends string>({
  value,
  onValue,
  tabs,
  label,
}: {
  value: T;
  onValue: (value: T) => void;
  tabs: readonly { value: T; name: string; panel: ReactNode }[];
  /** What the tabs are of, where no heading says so. */
  label?: string;
}) {
  return (
    <Base.Root value={value} onValueChange={(next) => onValue(next as T)}>
      <Base.List aria-label={label} className="mb-4 flex gap-1 overflow-x-auto border-b border-line">
        {tabs.map((tab) => (
          <Base.Tab
            key={tab.value}
            value={tab.value}
            className="-mb-px shrink-0 border-b-2 border-transparent px-3 py-2 font-medium text-ink-soft hover:text-ink data-active:border-accent data-active:text-ink"
          >
            {tab.name}
          </Base.Tab>
        ))}
      </Base.List>
      {tabs.map((tab) => (
        <Base.Panel key={tab.value} value={tab.value}>
          {tab.panel}
        </Base.Panel>
      ))}
    </Base.Root>
  );
}
