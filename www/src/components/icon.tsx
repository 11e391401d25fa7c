/** Outlines on a grid of 16, drawn in the colour of the text. */
const paths = {
  overview: "M2.5 2.5h4.5v4.5H2.5zM9 2.5h4.5v4.5H9zM2.5 9h4.5v4.5H2.5zM9 9h4.5v4.5H9z",
  host: "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01",
  latency: "M1.5 8.5h2.5l2-5 3.5 9 2.2-6 .9 2h2",
  config:
    "M2.5 4.5h5M11 4.5h2.5M9.2 2.8a1.7 1.7 0 1 0 0 3.4 1.7 1.7 0 0 0 0-3.4zM2.5 11.5h2.5M8.5 11.5h5M6.8 9.8a1.7 1.7 0 1 0 0 3.4 1.7 1.7 0 0 0 0-3.4z",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3l3.2 3.2",
  sun: "M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6zM8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9",
  moon: "M13.2 9.7A5.6 5.6 0 0 1 6.3 2.8a5.6 5.6 0 1 0 6.9 6.9z",
  system: "M2 3h12v8H2zM6 13.5h4M8 11v2.5",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  help: "M6.2 6.1a1.9 1.9 0 1 1 2.7 1.9c-.6.3-.9.7-.9 1.3M8 11.4h.01M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4z",
  exit: "M6.5 13.5h-4v-11h4M10.5 11l3-3-3-3M13.2 8h-7",
  left: "M9.8 3.5 5.3 8l4.5 4.5",
  right: "M6.2 3.5 10.7 8l-4.5 4.5",
  down: "M3.5 6 8 10.5 12.5 6",
  up: "M3.5 10 8 5.5l4.5 4.5",
  zoomOut: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3l3.2 3.2M5 7h4",
  play: "M5 3.2v9.6L12.5 8z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  close: "M3.8 3.8l8.4 8.4M12.2 3.8l-8.4 8.4",
  clock: "M8 14a6 6 0 1 0 0-12 6 6 0 0 0 0 12zM8 4.8V8l2.2 1.6",
  edit: "M10.8 2.8l2.4 2.4-7.7 7.7-3 .6.6-3z",
  trash: "M3 4.5h10M6.2 4.3V2.8h3.6v1.5M4.3 4.7l.5 8.5h6.4l.5-8.5",
  check: "M3.2 8.5l3 3 6.6-7",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.3V2.5h-8v8h2.8",
  alert: "M8 2.2 14.4 13.4H1.6zM8 6.5v3M8 11.4h.01",
  plus: "M8 3v10M3 8h10",
  user: "M8 8a2.8 2.8 0 1 0 0-5.6A2.8 2.8 0 0 0 8 8zM2.8 13.6c.5-2.6 2.6-4 5.2-4s4.7 1.4 5.2 4",
  key: "M10.3 9a3.3 3.3 0 1 0-3.1-2.2L2.5 11.5v2h2v-1.5H6v-1.5h1.2l1-1.2A3.3 3.3 0 0 0 10.3 9zM11.2 5.2h.01",
} as const;

export type IconName = keyof typeof paths;

/** Always beside a text or within something that has a name, so hidden from assistive technology. */
export function Icon({ name, className = "" }: { name: IconName; className?: string }) {
  return (
    <svg
      aria-hidden="true"
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth={name === "more" ? 2 : 1.4}
      strokeLinecap="round"
      strokeLinejoin="round"
      className={`size-4 shrink-0 ${className}`}
    >
      <path d={paths[name]} />
    </svg>
  );
}

/** The mark: a probe and the rings of its answer. */
export function Mark({ className = "" }: { className?: string }) {
  return (
    <svg aria-hidden="true" viewBox="0 0 20 20" fill="none" className={`size-5 shrink-0 ${className}`}>
      <circle cx="10" cy="10" r="2" fill="var(--accent)" />
      <path
        d="M6.2 13.8a5.4 5.4 0 0 1 0-7.6M13.8 6.2a5.4 5.4 0 0 1 0 7.6"
        stroke="var(--accent)"
        strokeWidth="1.5"
        strokeLinecap="round"
      />
      <path
        d="M3.6 16.4a9 9 0 0 1 0-12.8M16.4 3.6a9 9 0 0 1 0 12.8"
        stroke="var(--accent)"
        strokeOpacity="0.4"
        strokeWidth="1.5"
        strokeLinecap="round"
      />
    </svg>
  );
}
