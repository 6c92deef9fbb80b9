/** The usual library for metrics, with the same series as a master: what its users would have. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Gauge, Registry } from 'prom-client';
import { answerParent } from '../lib/child.ts';

/** A line of text 0.0.4 whose label values need no escapes. */
const LINE = /^(\w+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="([^"]*)"/g;

/** Between two batches of updates. */
const UPDATE_EVERY_MS = 10;

interface Series {
  readonly gauge: Gauge;
  readonly labels: never;
  readonly value: number;
}

/** Sets all series of one worker after another. */
function update(workers: readonly (readonly Series[])[], perSecond: number): void {
  const beganMs = performance.now();
  let done = 0;
  setInterval(() => {
    for (const due = ((performance.now() - beganMs) * perSecond) / 1000; done < due; done++) {
      for (const { gauge, labels, value } of workers[done % workers.length] ?? []) gauge.set(labels, value + done);
    }
  }, UPDATE_EVERY_MS);
}

const calls = {
  /**
   * Takes the series of an answer, as gauges, and serves them, while workers are updated at this rate, each with all its series.
   * @returns the port, and the number of series
   */
  async serve(url: string, perSecond: number): Promise<{ readonly httpPort: number; readonly series: number }> {
    const text = await (await fetch(url)).text();
    const registry = new Registry();
    const gauges = new Map<string, Gauge>();
    const workers = new Map<string, Series[]>();
    let series = 0;
    for (const line of text.split('\n')) {
      const [, name, labelsText = '', value] = LINE.exec(line) ?? [];
      if (name === undefined || line.startsWith('#')) continue;
      const labels = Object.fromEntries(Array.from(labelsText.matchAll(LABEL), ([, key, of]) => [key, of]));
      const gauge =
        gauges.get(name) ?? new Gauge({ name, help: name, labelNames: Object.keys(labels), registers: [registry] });
      gauges.set(name, gauge);
      gauge.set(labels as never, Number(value));
      series++;
      const { worker } = labels;
      if (worker === undefined) continue;
      const those = workers.get(worker) ?? [];
      workers.set(worker, those);
      those.push({ gauge, labels: labels as never, value: Number(value) });
    }
    update([...workers.values()], perSecond);
    const server = createServer((_, response) => {
      void registry.metrics().then((body) => {
        response.writeHead(200, { 'Content-Type': registry.contentType, 'Content-Length': Buffer.byteLength(body) });
        response.end(body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { httpPort: (server.address() as AddressInfo).port, series };
  },
};
export type PromClientCalls = typeof calls;

answerParent(calls);
