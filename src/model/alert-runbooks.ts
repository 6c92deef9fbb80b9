/** The page of the master that says what to do about each shipped alert; its sections are named by `runbookAnchor`. */
export const RUNBOOKS_PATH = '/api/docs/alerts';

/** The part of the page that is about a shipped rule. */
export function runbookAnchor(rule: string): string {
  return rule.toLowerCase();
}
