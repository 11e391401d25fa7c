import type { Metadata } from "next";
import { Host } from "./host";

export const metadata: Metadata = { title: "Host" };

export default function Page() {
  return <Host />;
}
