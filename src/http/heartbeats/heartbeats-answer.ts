/** The answer to a request with heartbeats: what was accepted, and what its sender must know of the others. */
import type { HeartbeatNote, RelayedAnswer } from '../../rpc/relayed-calls.ts';
import { MAX_REFUSED_LISTED } from '../http-limits.ts';
import type { Batch, RefusedElement } from './batch.ts';

/** Of one heartbeat; see the schema of the route. */
export interface RefusedJson {
  readonly index: number;
  readonly worker_id: string;
  readonly code: string;
  readonly detail: string;
  readonly heard?: true;
  readonly earlier?: number;
  readonly sequence?: number;
  readonly retry_after_ms?: number;
}

export interface HeartbeatsAnswer {
  readonly accepted: number;
  readonly refused: readonly RefusedJson[];
  /** How many more were refused, if the list is not complete. */
  readonly refused_more?: number;
}

type Answered = Extract<RelayedAnswer, { readonly type: 'heartbeats' }>;

export function heartbeatsAnswer(batch: Batch, { accepted, notes }: Answered): HeartbeatsAnswer {
  if (batch.refused.length === 0 && notes.length === 0) return { accepted, refused: [] };
  const refused = [
    ...batch.refused.map(elementJson),
    ...notes.map((note) => noteJson(note, batch.indices[note.at] as number)),
  ].sort((left, right) => left.index - right.index);
  const more = refused.length - MAX_REFUSED_LISTED;
  return {
    accepted,
    refused: refused.slice(0, MAX_REFUSED_LISTED),
    ...(more > 0 ? { refused_more: more } : {}),
  };
}

function elementJson({ index, workerId, code, detail }: RefusedElement): RefusedJson {
  return { index, worker_id: workerId, code, detail };
}

function noteJson(note: HeartbeatNote, index: number): RefusedJson {
  const { workerId, code, detail, heard, earlier, sequence, retryAfterMs } = note;
  return {
    index,
    worker_id: workerId,
    code,
    detail,
    ...(heard === undefined ? {} : { heard }),
    ...(earlier === undefined ? {} : { earlier }),
    ...(sequence === undefined ? {} : { sequence }),
    ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }),
  };
}
