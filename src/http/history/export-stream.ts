/**
 * An export as the body of a response: a piece of it is asked for when the client has taken the last one, so that an export of any
 * size holds one piece. A client that goes is served no further. If a piece fails for good, the connection is broken, since a part
 * must not look like the whole; what could not be read, and what the database still lacks, is named in a trailer. HTTP/1.0 has no
 * trailers and no chunks: there the connection is broken then, too.
 */
import type { ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import { messageOf } from '../../lib/errors.ts';
import type { HttpLog } from '../messages.ts';
import { damagedText, type ExportPiecesOptions, exportPieces } from './export-pieces.ts';

/** Names what is missing, behind a body that is complete otherwise; absent: nothing. */
export const MISSING_TRAILER = 'Pulselane-Missing';

export interface ExportStreamOptions extends ExportPiecesOptions {
  readonly outgoing: ServerResponse;
  /** What the database lacks of the range, in words; undefined: nothing. */
  readonly lacking: string | undefined;
  readonly log: HttpLog;
}

/** Never rejects. The head of the response is written already. */
export async function streamExport(options: ExportStreamOptions): Promise<void> {
  const { outgoing, signal, lacking, log } = options;
  try {
    const pieces = exportPieces(options);
    let piece = await pieces.next();
    for (; piece.done !== true; piece = await pieces.next()) {
      if (!outgoing.write(piece.value)) await drained(outgoing, signal);
    }
    const missing = [...(lacking === undefined ? [] : [lacking]), ...damagedText(piece.value)].join('; ');
    // Of other characters a header can hold none.
    if (missing !== '') {
      if (!outgoing.chunkedEncoding) throw new Error(`the export lacks ${missing}`);
      outgoing.addTrailers({ [MISSING_TRAILER]: missing.replaceAll(/[^\x20-\x7e]/g, '?') });
    }
    outgoing.end();
  } catch (error) {
    if (!signal.aborted) log('warn', `an export ended early: ${messageOf(error)}`);
    breakOff(outgoing);
  }
}

/** A plain end of the connection would be the regular end of an answer without chunks. */
function breakOff(outgoing: ServerResponse): void {
  const { socket } = outgoing;
  // Without the closing message of TLS, the client notices by itself, and such a socket cannot be reset.
  if (socket !== null && !outgoing.chunkedEncoding && !(socket instanceof TLSSocket)) socket.resetAndDestroy();
  outgoing.destroy();
}

/** Resolves when the client has taken what was written. @throws if it has gone */
function drained(outgoing: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      outgoing.off('drain', settle);
      signal.removeEventListener('abort', settle);
      if (signal.aborted) reject(new Error('the client has gone'));
      else resolve();
    };
    outgoing.once('drain', settle);
    signal.addEventListener('abort', settle);
    if (signal.aborted) settle();
  });
}
