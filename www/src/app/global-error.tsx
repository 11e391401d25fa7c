"use client";

import "./globals.css";

/** What is shown when the shell itself failed. */
export default function GlobalError({ error }: { error: Error }) {
  return (
    <html lang="en">
      <body>
        <main role="alert" className="flex flex-col items-center gap-2 px-6 py-14 text-center">
          <title>Sonde</title>
          <h1 className="text-base">Sonde could not be shown</h1>
          <p className="text-ink-faint">{error.message}</p>
          <button type="button" className="mt-2 underline" onClick={() => window.location.reload()}>
            Load it again
          </button>
        </main>
      </body>
    </html>
  );
}
