/** What the agent hands on to the tools that it runs: they find their files by it. */

/** As the system has them, in its own notation. */
export interface ToolEnvironment {
  /** PATH. */
  readonly path: string;
  /** LD_LIBRARY_PATH; drivers in containers put their libraries where only this says. */
  readonly libraryPath: string;
}

/** Of this process; the rest of its environment may hold secrets and is handed to nobody. */
export function toolEnvironment(environment: Readonly<Record<string, string | undefined>> = process.env) {
  return { path: environment.PATH ?? '', libraryPath: environment.LD_LIBRARY_PATH ?? '' } satisfies ToolEnvironment;
}
