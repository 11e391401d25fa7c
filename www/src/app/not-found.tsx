import Link from "next/link";

export default function NotFound() {
  return (
    <div className="mx-auto flex max-w-md flex-col items-start gap-3 px-6 py-24">
      <h1 className="text-lg">There is no such page</h1>
      <p className="text-ink-soft">The address may be mistyped, or the page has moved.</p>
      <Link href="/" className="text-accent underline underline-offset-4">
        Go to the overview
      </Link>
    </div>
  );
}
