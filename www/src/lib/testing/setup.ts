// React's act() warns unless it is told that it runs in a test.
Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
