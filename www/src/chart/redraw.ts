/**
 * When charts draw: all together, inside one animation frame, at most four
 * times a second. What a person just did (a toggle, a resize) draws in the
 * next frame.
 */

/** Milliseconds between two passes. */
export const PASS_INTERVAL = 250;

export interface Drawable {
  draw(): void;
  /** Whether time alone makes the drawing old: asked at every pass. */
  stale(): boolean;
  /** Whether stale() may become true without a request. */
  live(): boolean;
}

/** Where time and frames come from; the browser's by default. */
export interface Clock {
  now(): number;
  frame(callback: () => void): void;
  after(ms: number, callback: () => void): void;
}

const browser: Clock = {
  now: () => performance.now(),
  frame: (callback) => void requestAnimationFrame(callback),
  after: (ms, callback) => void setTimeout(callback, ms),
};

export class Redraws {
  private readonly wanted = new Map<Drawable, boolean>();
  private lastPass = Number.NEGATIVE_INFINITY;
  private waiting = false;
  private framed = false;

  constructor(private readonly clock: Clock = browser) {}

  add(drawable: Drawable): void {
    this.wanted.set(drawable, false);
  }

  remove(drawable: Drawable): void {
    this.wanted.delete(drawable);
  }

  /** Asks for a drawing at the next pass; at once means in the next frame. */
  request(drawable: Drawable, atOnce = false): void {
    if (!this.wanted.has(drawable)) return;
    this.wanted.set(drawable, true);
    if (atOnce) this.frame();
    else this.schedule();
  }

  private schedule(): void {
    if (this.waiting || this.framed) return;
    this.waiting = true;
    const wait = Math.max(0, this.lastPass + PASS_INTERVAL - this.clock.now());
    this.clock.after(wait, () => {
      this.waiting = false;
      this.frame();
    });
  }

  private frame(): void {
    if (this.framed) return;
    this.framed = true;
    this.clock.frame(() => {
      this.framed = false;
      this.pass();
    });
  }

  private pass(): void {
    this.lastPass = this.clock.now();
    let live = false;
    for (const [drawable, requested] of this.wanted) {
      if (requested || drawable.stale()) {
        this.wanted.set(drawable, false);
        drawable.draw();
      }
      live ||= drawable.live();
    }
    if (live) this.schedule();
  }
}

/** The one scheduler of the page. */
export const redraws = new Redraws();
