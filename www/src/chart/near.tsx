"use client";

import { type ReactNode, useEffect, useRef, useState } from "react";

/**
 * Renders its children only while they are on screen or within one screen of
 * it, and keeps their place otherwise: what is far away neither asks nor draws.
 */
export function Near({
  height,
  children,
}: {
  /** CSS pixels before the first rendering. */ height: number;
  children: ReactNode;
}) {
  const place = useRef<HTMLDivElement>(null);
  const [near, setNear] = useState(false);
  const [kept, setKept] = useState(height);
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const observer = new IntersectionObserver(
      ([entry]) => {
        if (!entry) return;
        if (!entry.isIntersecting && entry.boundingClientRect.height > 0) setKept(entry.boundingClientRect.height);
        setNear(entry.isIntersecting);
      },
      { rootMargin: "100% 0px" },
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return (
    <div ref={place} className="h-full min-w-0" style={near ? undefined : { height: kept }}>
      {near && children}
    </div>
  );
}
