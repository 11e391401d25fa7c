const DAY = 86_400;

const seconds = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minutes = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const days = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

/** Labels of a time axis in local time: the date where a day begins, else only as fine as the steps are. */
export function timeLabels(splits: readonly number[], stepSeconds: number): string[] {
  return splits.map((split) => {
    const date = new Date(split * 1000);
    const midnight = date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0;
    if (stepSeconds >= DAY || midnight) return days.format(date);
    return (stepSeconds < 60 ? seconds : minutes).format(date);
  });
}

/** A step's time in full, local. */
export function timeInFull(unixSeconds: number): string {
  return full.format(unixSeconds * 1000);
}
