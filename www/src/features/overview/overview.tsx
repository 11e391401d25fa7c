"use client";

export function Overview() {
  return <h1 className="text-lg">Overview</h1>;
}
