/** The alerts as one thread knows them: kept by the changes that main announces. */
import type { Alert } from '../model/alert.ts';
import type { AlertChanges } from '../model/alert-changes.ts';

export class AlertTable {
  readonly #alerts = new Map<string, Alert>();

  apply({ isFirst, changed, values, removed }: AlertChanges): void {
    if (isFirst) this.#alerts.clear();
    for (const alert of changed) this.#alerts.set(alert.id, alert);
    for (const { id, now } of values) {
      const alert = this.#alerts.get(id);
      if (alert !== undefined) this.#alerts.set(id, { ...alert, values: { ...alert.values, now } });
    }
    for (const id of removed) this.#alerts.delete(id);
  }

  get(id: string): Alert | undefined {
    return this.#alerts.get(id);
  }

  all(): IterableIterator<Alert> {
    return this.#alerts.values();
  }

  get size(): number {
    return this.#alerts.size;
  }
}
