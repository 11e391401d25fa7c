/** A column of a chart; null is a gap. */
export type Column = (number | null)[];

/**
 * Stacks columns upwards: column i of the answer is the sum of columns 0 to i.
 *
 * A time at which no column has a value stays a gap in all of them. A time at
 * which only some have one counts the others as nothing, so that one device
 * that went away does not cut the whole stack.
 */
export function stack(columns: readonly Column[]): Column[] {
  const steps = columns[0]?.length ?? 0;
  const sums = columns.map(() => new Array<number | null>(steps).fill(null));
  for (let step = 0; step < steps; step++) {
    if (columns.every((column) => (column[step] ?? null) === null)) continue;
    let sum = 0;
    columns.forEach((column, i) => {
      sum += column[step] ?? 0;
      (sums[i] as Column)[step] = sum;
    });
  }
  return sums;
}

/** The same column below the zero line. */
export function mirror(column: Column): Column {
  return column.map((value) => (value === null ? null : -value));
}
