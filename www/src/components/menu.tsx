import { Menu as Base } from "@base-ui/react/menu";
import type { ReactElement, ReactNode } from "react";
import { Icon, type IconName } from "./icon";
import { usePopupRoot } from "./popup-root";

const item =
  "flex h-8 cursor-default items-center gap-2 rounded-md px-2 text-ink-soft outline-none select-none data-highlighted:bg-hover data-highlighted:text-ink";

export function Menu({
  trigger,
  side = "bottom",
  align = "end",
  defaultOpen = false,
  children,
}: {
  trigger: ReactElement;
  side?: "top" | "bottom";
  align?: "start" | "end";
  /** Open from the first, for one that is made when it is asked for. */
  defaultOpen?: boolean;
  children: ReactNode;
}) {
  const container = usePopupRoot();
  return (
    <Base.Root defaultOpen={defaultOpen}>
      <Base.Trigger render={trigger} />
      <Base.Portal container={container}>
        <Base.Positioner side={side} align={align} sideOffset={6} className="z-50">
          <Base.Popup className="popup-motion min-w-44 rounded-lg border border-line bg-raised p-1 shadow-raised outline-none">
            {children}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}

export function MenuItem({
  icon,
  danger = false,
  onClick,
  children,
}: {
  icon?: IconName;
  danger?: boolean;
  onClick: () => void;
  children: ReactNode;
}) {
  return (
    <Base.Item
      className={`${item} ${danger ? "text-bad data-highlighted:bg-bad-soft data-highlighted:text-bad" : ""}`}
      onClick={onClick}
    >
      {icon ? <Icon name={icon} /> : null}
      {children}
    </Base.Item>
  );
}

export function MenuChoice<T extends string>({
  label,
  value,
  choices,
  onChange,
}: {
  label: string;
  value: T;
  choices: { value: T; text: string; icon?: IconName }[];
  onChange: (value: T) => void;
}) {
  return (
    <Base.RadioGroup value={value} onValueChange={onChange} aria-label={label}>
      {choices.map((choice) => (
        <Base.RadioItem key={choice.value} value={choice.value} className={item} closeOnClick>
          {choice.icon ? <Icon name={choice.icon} /> : null}
          <span className="flex-1">{choice.text}</span>
          <Base.RadioItemIndicator>
            <Icon name="check" className="text-accent" />
          </Base.RadioItemIndicator>
        </Base.RadioItem>
      ))}
    </Base.RadioGroup>
  );
}

export function MenuSeparator() {
  return <Base.Separator className="my-1 h-px bg-line" />;
}
