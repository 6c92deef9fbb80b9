/** The alerts as one thread knows them: kept by the changes that main announces, each decoded when it is first asked for. */
import type { Alert } from '../model/alert.ts';
import type { AlertChanges, AlertText } from '../model/alert-changes.ts';

export class AlertTable {
  readonly #texts = new Map<string, AlertText>();
  readonly #decoded = new Map<string, Alert>();
  #version = 0;

  apply({ isFirst, changed, removed }: AlertChanges): void {
    this.#version++;
    if (isFirst) {
      this.#texts.clear();
      this.#decoded.clear();
    }
    for (const text of changed) {
      this.#texts.set(text.id, text);
      this.#decoded.delete(text.id);
    }
    for (const id of removed) {
      this.#texts.delete(id);
      this.#decoded.delete(id);
    }
  }

  get(id: string): Alert | undefined {
    const known = this.#decoded.get(id);
    if (known !== undefined) return known;
    const text = this.#texts.get(id);
    if (text === undefined) return undefined;
    const alert = JSON.parse(text.json) as Alert;
    this.#decoded.set(id, alert);
    return alert;
  }

  *all(): Generator<Alert> {
    for (const id of this.#texts.keys()) {
      const alert = this.get(id);
      if (alert !== undefined) yield alert;
    }
  }

  /** For another thread: what makes its table equal to this one. */
  texts(): IterableIterator<AlertText> {
    return this.#texts.values();
  }

  get size(): number {
    return this.#texts.size;
  }

  /** Another number after each change. */
  get version(): number {
    return this.#version;
  }
}
