/** A new token, handed out once: to a new file, or to standard output. */
import type { Streams } from '../streams.ts';
import { writeSecret } from './secret-file.ts';

export interface HandOut {
  readonly token: string;
  /** A new file for it; undefined: it is printed. */
  readonly out: string | undefined;
  /** How it is used, at the end of a sentence. */
  readonly use: string;
}

/** How a running master hears of a changed file. */
export const AT_RELOAD =
  'A running master reads the file at SIGHUP (kill -HUP <pid>, or systemctl reload pulselane-master).';

/**
 * @param keep puts its hash where a master finds it: only a token that is known is worth anything, so it is handed out
 * after that. @returns what to say of it, line by line
 */
export async function handOut(
  { token, out, use }: HandOut,
  { stdout, stderr }: Streams,
  keep: () => Promise<readonly string[]>,
): Promise<void> {
  let told: readonly string[] = [];
  const keepIt = async () => {
    told = await keep();
  };
  await (out === undefined ? keepIt() : writeSecret(out, `${token}\n`, keepIt));
  const shown = out === undefined ? 'It is shown this once' : `The token is in ${out}, for its owner alone`;
  stderr.write(`${[...told, `${shown}; ${use}`].join('\n')}\n`);
  if (out === undefined) stdout.write(`${token}\n`);
}

export const WORKER_USE = 'an agent takes it by --token-file <file>.';
export const API_USE = 'requests carry it as "Authorization: Bearer <token>".';
