/** Runs in each page before its own code, and tells the test of what only the page can see: `browser.ts` has the other end. */
{
  /** @type {(problem: string) => void} */
  const tell = Reflect.get(globalThis, 'pulselaneTestProblem');

  document.addEventListener('securitypolicyviolation', (violation) => {
    const { effectiveDirective, blockedURI, sample, sourceFile, lineNumber } = violation;
    tell(`violation of the CSP: ${effectiveDirective} ${blockedURI} ${sample} (${sourceFile}:${lineNumber})`);
  });

  /**
   * As of https://wicg.github.io/layout-instability/; not in the library of TypeScript.
   * @typedef {{ node: Node | null, previousRect: DOMRect, currentRect: DOMRect }} Moved
   * @typedef {PerformanceEntry & { value: number, hadRecentInput: boolean, sources: Moved[] }} LayoutShift
   */

  /** @param {Node | null} node */
  const nameOf = (node) => {
    const element = node instanceof Element ? node : node?.parentElement;
    return element ? [element.localName, ...element.classList].join('.') : '?';
  };

  /** @param {DOMRect} rectangle */
  const placeOf = ({ x, y, width, height }) => `${x},${y} ${width}×${height}`;

  new PerformanceObserver((list) => {
    for (const entry of /** @type {LayoutShift[]} */ (list.getEntries())) {
      // What moves because the user did something may move.
      if (entry.hadRecentInput) continue;
      const moved = entry.sources.map(
        ({ node, previousRect, currentRect }) =>
          `${nameOf(node)} from ${placeOf(previousRect)} to ${placeOf(currentRect)}`,
      );
      tell(`layout shift of ${entry.value.toFixed(4)} at ${location.href}: ${moved.join('; ')}`);
    }
  }).observe({ type: 'layout-shift', buffered: true });
}
