/** The environment variables that the agent passes to the GPU tools it runs: they need them to find their files. */

/** Unparsed, as in the environment. */
export interface ToolEnvironment {
  /** PATH. */
  readonly path: string;
  /** LD_LIBRARY_PATH; GPU drivers in containers often set it. */
  readonly libraryPath: string;
}

/** From this process's environment. The rest may hold secrets and is not passed on. */
export function toolEnvironment(environment: Readonly<Record<string, string | undefined>> = process.env) {
  return { path: environment.PATH ?? '', libraryPath: environment.LD_LIBRARY_PATH ?? '' } satisfies ToolEnvironment;
}
