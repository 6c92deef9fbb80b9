/** Every bench, in the order in which they are run and shown. */
import { ingestUnary } from './flow/ingest-unary.ts';
import { ingestStreams } from './flow/ingest-streams.ts';
import type { Bench } from './lib/bench.ts';

export const BENCHES: readonly Bench[] = [ingestUnary, ingestStreams];
