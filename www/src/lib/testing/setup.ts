// React's act() warns unless it is told that it runs in a test.
Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });

// jsdom has no layout: every window is wide, and nothing ever changes its size.
window.matchMedia ??= (media) =>
  Object.assign(new EventTarget(), {
    matches: true,
    media,
    onchange: null,
    addListener: () => {},
    removeListener: () => {},
  }) as MediaQueryList;

// Nor does it draw or scroll.
HTMLCanvasElement.prototype.getContext = () => null;
window.scrollTo = () => {};
Element.prototype.scrollIntoView = () => {};

class Observer {
  observe() {}
  unobserve() {}
  disconnect() {}
}
globalThis.ResizeObserver ??= Observer;
globalThis.IntersectionObserver ??= Observer as unknown as typeof IntersectionObserver;
