/** A new token, handed out once: to a new file, or to standard output. */
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import type { Streams } from '../streams.ts';
import { writeSecret } from './secret-file.ts';

export interface HandOut {
  readonly token: string;
  /** A new file for it; undefined: it is printed. */
  readonly out: string | undefined;
  /** Of tokens, that gets its hash; undefined: the line is told only. */
  readonly file: string | undefined;
  /** How it is used, at the end of a sentence. */
  readonly use: string;
}

/** How a running master hears of a changed file. */
export const AT_RELOAD =
  'A running master reads the file at SIGHUP (kill -HUP <pid>, or systemctl reload pulselane-master).';

/**
 * A file has the token before its hash is kept; it is printed after that, since what is printed cannot be taken back.
 * @param keep puts its hash where a master finds it. @returns what to say of it, line by line
 * @throws PulselaneError `environment` if nobody has the token, naming what was done; whatever `keep` throws
 */
export async function handOut(
  { token, out, file, use }: HandOut,
  { stdout, stderr }: Streams,
  keep: () => Promise<readonly string[]>,
): Promise<void> {
  let told: readonly string[] = [];
  const keepIt = async () => {
    told = await keep();
  };
  await (out === undefined ? keepIt() : writeSecret(out, `${token}\n`, keepIt));
  const shown = out === undefined ? 'The token is shown only now' : `The token is in ${out}, for its owner alone`;
  stderr.write(`${[...told, `${shown}; ${use}`].join('\n')}\n`);
  if (out !== undefined) return;
  const failure = await failureOfPrinting(`${token}\n`, stdout);
  if (failure === undefined) return;
  // In this order, since the last token of a file cannot be revoked.
  const next = `create another${file === undefined ? '' : `, and take the line above out of ${file} again`}`;
  throw new PulselaneError(
    'environment',
    `the token could not be printed (${messageOf(failure)}) and is lost; ${next}`,
  );
}

/** Also where the reader is gone, which is no failure of other commands: an answer can be asked for again. */
function failureOfPrinting(text: string, stdout: Streams['stdout']): Promise<Error | undefined> {
  return new Promise((resolve) => {
    stdout.write(text, (error) => resolve(error ?? stdout.failure));
  });
}

export const WORKER_USE = 'an agent takes it by --token-file <file>.';
export const API_USE = 'requests carry it as "Authorization: Bearer <token>".';
