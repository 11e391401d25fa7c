import type { ComponentProps } from "react";
import { Icon, type IconName } from "./icon";

const looks = {
  plain: "border border-line-strong bg-surface text-ink hover:bg-hover",
  primary: "border border-transparent bg-accent text-accent-ink hover:brightness-110",
  danger: "border border-transparent bg-bad text-surface hover:brightness-110",
  quiet: "border border-transparent text-ink-soft hover:bg-hover hover:text-ink",
};

const shape =
  "inline-flex h-8 shrink-0 items-center justify-center gap-1.5 rounded-md text-sm font-medium whitespace-nowrap transition-colors disabled:pointer-events-none disabled:opacity-50 data-popup-open:bg-hover";

export function Button({
  look = "plain",
  icon,
  className = "",
  children,
  ...props
}: ComponentProps<"button"> & { look?: keyof typeof looks; icon?: IconName }) {
  return (
    <button type="button" {...props} className={`${shape} px-3 ${looks[look]} ${className}`}>
      {icon ? <Icon name={icon} className="-ml-0.5" /> : null}
      {children}
    </button>
  );
}

/** A button that shows only an icon; label is its name. */
export function IconButton({
  label,
  icon,
  look = "quiet",
  className = "",
  ...props
}: ComponentProps<"button"> & { label: string; icon: IconName; look?: keyof typeof looks }) {
  return (
    <button type="button" aria-label={label} {...props} className={`${shape} w-8 ${looks[look]} ${className}`}>
      <Icon name={icon} />
    </button>
  );
}
