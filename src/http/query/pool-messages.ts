/** The messages between a pool and its threads, besides roster and signs of life. */

export type ToPoolThread<Task> =
  /** At most one at a time. */
  | { readonly type: 'task'; readonly task: Task }
  /** Nobody waits for the task in progress any more: end it soon, with any outcome. Ignored if there is none. */
  | { readonly type: 'cancel' };

/** The result of a task. `message` is for people. */
export type Outcome<Answer> =
  | { readonly ok: true; readonly answer: Answer }
  | { readonly ok: false; readonly message: string };

/** What a thread reports about its task: that it has started it, then the result. */
export type Said<Answer> = 'begun' | Outcome<Answer>;
