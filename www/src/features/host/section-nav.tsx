"use client";

import { useEffect, useState } from "react";

/** Links to the sections of the page; the one being read is marked. */
export function SectionNav({ sections }: { sections: readonly { id: string; name: string }[] }) {
  const current = useCurrentSection(sections.map(({ id }) => id).join(" "));
  return (
    <nav
      aria-label="Sections"
      className="sticky top-12 z-20 -mx-4 overflow-x-auto border-b border-line bg-canvas px-4 wide:top-14 wide:-mx-6 wide:px-6"
    >
      <ul className="flex gap-1 py-1.5">
        {sections.map(({ id, name }) => (
          <li key={id}>
            <a
              href={`#${id}`}
              aria-current={current === id ? "location" : undefined}
              className="block rounded-md px-2.5 py-1 whitespace-nowrap text-ink-soft hover:bg-hover hover:text-ink aria-[current]:bg-hover aria-[current]:font-medium aria-[current]:text-ink pointer-coarse:py-2.5"
            >
              {name}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** Goes to the section that the URL names after its #, once the sections are there. */
export function useScrollToHash(ready: boolean): void {
  useEffect(() => {
    if (ready && location.hash !== "") document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }, [ready]);
}

/** The section that fills the upper part of the screen. ids are separated by spaces. */
function useCurrentSection(ids: string): string | null {
  const [current, setCurrent] = useState<string | null>(null);
  useEffect(() => {
    const inView = new Set<string>();
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          if (isIntersecting) inView.add(target.id);
          else inView.delete(target.id);
        }
        setCurrent(ids.split(" ").find((id) => inView.has(id)) ?? null);
      },
      { rootMargin: "-120px 0px -60% 0px" },
    );
    for (const id of ids.split(" ")) {
      const element = document.getElementById(id);
      if (element) observer.observe(element);
    }
    return () => observer.disconnect();
  }, [ids]);
  return current;
}
