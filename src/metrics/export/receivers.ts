/** The exporter of each kind of receiver. */
import type { Clock } from '../../lib/clock.ts';
import { escapeMetricName } from '../exposition/names.ts';
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

/** How the protocol writes names of custom metrics. */
export function escapingOf({ kind }: ReceiverSettings): (familyName: string) => string {
  switch (kind) {
    case 'remote_write':
      // Receivers of 1.0 refuse other names, and which version is sent must not change what a series is called.
      return (name) => escapeMetricName(name, 'underscores');
    case 'otlp':
      // Any UTF-8 may be a name.
      return (name) => name;
    default:
      return kind satisfies never;
  }
}
