/** The exporter of each kind of receiver. */
import type { Clock } from '../../lib/clock.ts';
import { escapeMetricName } from '../exposition/names.ts';
import type { CustomNaming } from '../workers/series.ts';
import type { Exporter } from './exporter.ts';
import type { ReceiverSettings } from './messages.ts';
import { type InfoOf, Otlp } from './otlp/otlp-exporter.ts';
import { RemoteWrite } from './remote-write/remote-write.ts';

/** @param infoOf labels of a worker's info series, as far as they are known */
export function exporterOf(settings: ReceiverSettings, clock: Clock, infoOf: InfoOf): Exporter {
  switch (settings.kind) {
    case 'remote_write':
      return new RemoteWrite(settings, clock) as Exporter;
    case 'otlp':
      return new Otlp(settings, clock, infoOf) as Exporter;
    default:
      return settings satisfies never;
  }
}

/** Runs of characters that a receiver of OTLP may replace by one underscore. */
const PUNCTUATION = /[\0-/;-@[-`{-\x7f]+/g;

/** How the protocol names custom metrics. */
export function customNamingOf({ kind }: ReceiverSettings): CustomNaming {
  switch (kind) {
    case 'remote_write':
      // Receivers of 1.0 refuse other names, and which version is sent must not change what a series is called.
      return { escaped: (name) => escapeMetricName(name, 'underscores'), isWrittenEscaped: true };
    case 'otlp':
      // Any UTF-8 may be a name. A Prometheus that translates it refuses a request in which two become the same.
      return { escaped: (name) => name.replaceAll(PUNCTUATION, '_').replace(/_$/, ''), isWrittenEscaped: false };
    default:
      return kind satisfies never;
  }
}
