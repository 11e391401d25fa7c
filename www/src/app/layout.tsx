import { GeistMono } from "geist/font/mono";
import { GeistSans } from "geist/font/sans";
import type { Metadata, Viewport } from "next";
import { type ReactNode, Suspense } from "react";
import { preload } from "react-dom";
import { Providers } from "@/components/providers";
import { siteConfigPath } from "@/lib/site-config";
import { isDemo } from "@/lib/transport";
import { Frame } from "./frame";
import "./globals.css";

export const metadata: Metadata = {
  title: { default: "Sonde", template: "%s · Sonde" },
  description: "A fleet, measured and shown live.",
};

export const viewport: Viewport = {
  width: "device-width",
  initialScale: 1,
  themeColor: [
    { media: "(prefers-color-scheme: light)", color: "#fafafa" },
    { media: "(prefers-color-scheme: dark)", color: "#0d0e11" },
  ],
};

export default function RootLayout({ children }: { children: ReactNode }) {
  if (!isDemo) preload(siteConfigPath, { as: "fetch", crossOrigin: "anonymous" });
  return (
    <html lang="en" className={`${GeistSans.variable} ${GeistMono.variable}`} suppressHydrationWarning>
      <body>
        <Providers>
          <Suspense>
            <Frame>{children}</Frame>
          </Suspense>
        </Providers>
      </body>
    </html>
  );
}
