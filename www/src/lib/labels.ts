/** A label as it is being typed. */
export type LabelRow = { id: number; name: string; value: string };

let lastId = 0;

/** A row that is empty, or has what is given. */
export function labelRow(name = "", value = ""): LabelRow {
  lastId += 1;
  return { id: lastId, name, value };
}

export function labelRows(labels: Record<string, string>): LabelRow[] {
  return Object.entries(labels).map(([name, value]) => labelRow(name, value));
}

const maxLabels = 32;
const maxValueBytes = 256;
const ownedByServer = new Set(["agent", "instance", "job"]);

/** The labels of the rows, without empty rows; or what people have to mend. The server has the last word. */
export function checkLabels(rows: LabelRow[]): { labels?: Record<string, string>; problem?: string } {
  const labels: Record<string, string> = {};
  for (const row of rows) {
    const name = row.name.trim();
    const value = row.value.trim();
    if (name === "" && value === "") continue;
    if (name === "") return { problem: `The label with the value ${value} has no name.` };
    if (!/^[a-zA-Z_][a-zA-Z0-9_]{0,127}$/.test(name)) {
      return { problem: `${name} is no label name: letters, digits and _ only, not beginning with a digit.` };
    }
    if (name.startsWith("__") || ownedByServer.has(name)) return { problem: `${name} belongs to the server.` };
    if (Object.hasOwn(labels, name)) return { problem: `${name} is there twice.` };
    if (new TextEncoder().encode(value).length > maxValueBytes) {
      return { problem: `The value of ${name} is longer than ${maxValueBytes} bytes.` };
    }
    labels[name] = value;
  }
  if (Object.keys(labels).length > maxLabels) return { problem: `There may be at most ${maxLabels} labels.` };
  return { labels };
}
