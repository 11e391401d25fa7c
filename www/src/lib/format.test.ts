import { describe, expect, it } from "vitest";
import { format, formatAgo, missing, parts, type Unit } from "./format";

describe("format", () => {
  it.each<[Unit, number | null, string]>([
    ["bytes", 0, "0 B"],
    ["bytes", 1, "1 B"],
    ["bytes", 1023, "1023 B"],
    ["bytes", 1024, "1.00 KiB"],
    ["bytes", 1024 * 1023.9, "1.00 MiB"],
    ["bytes", 1.5 * 1024 ** 3, "1.50 GiB"],
    ["bytes", 123.4 * 1024 ** 4, "123 TiB"],
    ["bytes", -2048, "-2.00 KiB"],
    ["bytes/s", 12.34 * 1024 ** 2, "12.3 MiB/s"],
    ["bytes/s", 0, "0 B/s"],
    ["ratio", 0, "0.0%"],
    ["ratio", 0.1234, "12.3%"],
    ["ratio", 1, "100%"],
    ["ratio", 0.0001, "0.01%"],
    ["ratio", 0.9999, "100%"],
    ["ratio", 1e-7, "0.00001%"],
    ["ratio", 2e-16, "0.0%"],
    ["ratio", -2e-16, "0.0%"],
    ["seconds", 1e-9, "1 ns"],
    ["seconds", 1e-7, "100 ns"],
    ["seconds", 4.5e-7, "450 ns"],
    ["seconds", 4.5e-6, "4.50 µs"],
    ["seconds", 0.0123, "12.3 ms"],
    ["seconds", 0.9996, "1.00 s"],
    ["seconds", 59.99, "1.00 min"],
    ["seconds", 90, "1.50 min"],
    ["seconds", 7200, "2.00 h"],
    ["seconds", 86_400 * 12.5, "12.5 d"],
    ["seconds", 86_400 * 1234, "1234 d"],
    ["count", 7, "7"],
    ["count", 999, "999"],
    ["count", 0.5, "0.50"],
    ["count", 1500, "1.50k"],
    ["count", 999_999, "1.00M"],
    ["count/s", 12, "12/s"],
    ["count/s", -1e-17, "0.00/s"],
    ["count/s", 1234, "1.23k/s"],
    ["bytes", null, missing],
    ["ratio", Number.NaN, missing],
    ["seconds", Number.POSITIVE_INFINITY, missing],
  ])("%s %s is %s", (unit, value, text) => {
    expect(format(unit, value)).toBe(text);
  });

  it("trims zeros for axes", () => {
    expect(format("bytes", 1024, true)).toBe("1 KiB");
    expect(format("seconds", 0.0105, true)).toBe("10.5 ms");
    expect(format("ratio", 0.5, true)).toBe("50%");
    expect(format("ratio", 0, true)).toBe("0%");
    expect(format("count", 100, true)).toBe("100");
  });

  it("keeps number and unit apart", () => {
    expect(parts("bytes/s", 2048)).toEqual({ number: "2.00", unit: "KiB/s" });
    expect(parts("bytes/s", null)).toEqual({ number: missing, unit: "" });
  });
});

describe("formatAgo", () => {
  it.each([
    [0, "now"],
    [-5_000, "now"],
    [12_900, "12 s ago"],
    [180_000, "3 min ago"],
    [7_200_000, "2 h ago"],
    [200_000_000, "2 d ago"],
  ])("%d ms is %s", (ms, text) => {
    expect(formatAgo(1_000_000_000, 1_000_000_000 + ms)).toBe(text);
  });
});
