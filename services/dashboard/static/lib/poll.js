// Look again every so often, while the page is in view.

export async function poll(work, milliseconds, signal) {
  while (!signal.aborted) {
    if (!document.hidden) await work();
    await pause(milliseconds, signal);
  }
}

export const pause = (milliseconds, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });

// The last call of a burst, a moment after it.
export function debounce(work, milliseconds = 250) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...values), milliseconds);
  };
}
