/** Every bench, in the order of running and printing. */

import { alertCel } from './alerts/cel.ts';
import { alertDelivery } from './alerts/delivery.ts';
import { alertEvaluation } from './alerts/evaluation.ts';
import { alertsLoad } from './alerts/load.ts';
import { anomaly } from './anomaly/anomaly.ts';
import { asItComes } from './flow/as-it-comes.ts';
import { bigReads } from './flow/big-reads.ts';
import { faults } from './flow/faults.ts';
import { fleet } from './flow/fleet.ts';
import { ingestFresh } from './flow/ingest-fresh.ts';
import { ingestHttp } from './flow/ingest-http.ts';
import { ingestStreams } from './flow/ingest-streams.ts';
import { ingestUnary } from './flow/ingest-unary.ts';
import { laneCurves } from './flow/lane-curve.ts';
import { live } from './flow/live.ts';
import { mainCpu } from './flow/main-cpu.ts';
import { memory } from './flow/memory.ts';
import { promises } from './flow/promises.ts';
import { reads } from './flow/reads.ts';
import { storm } from './flow/storm.ts';
import { historyExport } from './history/export.ts';
import { historySizes } from './history/fleet-sizes.ts';
import { historyLoad } from './history/load.ts';
import { historyGrowth, historyQueries } from './history/queries.ts';
import { historySize, historySizeElsewhere } from './history/sizes.ts';
import { historyCodec, historyWrite } from './history/writes.ts';
import { isolation } from './isolation/isolation.ts';
import type { Bench } from './lib/bench.ts';
import { metricsBeside } from './metrics/beside.ts';
import { remoteWrite } from './metrics/remote-write.ts';
import { metricsScrapes } from './metrics/scrape.ts';
import { metricsShortLived } from './metrics/short-lived.ts';
import { agent } from './micro/agent.ts';
import { firstVisible } from './micro/first-visible.ts';
import { floors } from './micro/floors.ts';
import { laneCost } from './micro/lane-cost.ts';
import { laneScores } from './micro/lane-scores.ts';
import { laneTimes } from './micro/lane-times.ts';
import { queries } from './micro/queries.ts';
import { sweep } from './micro/sweep.ts';
import { workerCost } from './micro/worker-cost.ts';

export const BENCHES: readonly Bench[] = [
  floors,
  promises,
  ingestUnary,
  ingestStreams,
  ingestFresh,
  ingestHttp,
  mainCpu,
  fleet,
  reads,
  bigReads,
  live,
  queries,
  storm,
  firstVisible,
  sweep,
  faults,
  asItComes,
  ...laneCurves,
  laneCost,
  laneScores,
  laneTimes,
  workerCost,
  memory,
  agent,
  isolation,
  ...metricsScrapes,
  metricsBeside,
  metricsShortLived,
  historyCodec,
  historyWrite,
  historyLoad,
  historySize,
  historySizeElsewhere,
  historySizes,
  historyQueries,
  historyGrowth,
  historyExport,
  remoteWrite,
  alertEvaluation,
  alertDelivery,
  alertCel,
  alertsLoad,
  anomaly,
];
