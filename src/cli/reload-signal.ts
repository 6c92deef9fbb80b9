/** SIGHUP: read again what files say. */

/**
 * | SIGHUP comes          | then                                                                                 |
 * |-----------------------|--------------------------------------------------------------------------------------|
 * | while it starts       | files are read again once it runs: those of the start may have been read before      |
 * | while it runs         | files are read again                                                                 |
 * | while it stops, ended | nothing: it must not be cut short, nor end by a signal where it has stopped in order |
 * | before `listen`       | `bin/pulselane.js` keeps it, and tells it then                                       |
 *
 * A terminal that is closed sends it, too. Where nothing can be read again it asks for an end; elsewhere the prompt has read
 * its end of input, and ends the master by that.
 */
export class ReloadSignal {
  #reload: (() => void) | undefined;
  #isWanted = false;
  readonly #take = (): void => {
    if (this.#reload === undefined) this.#isWanted = true;
    else this.#reload();
  };

  /** From now on it does not end the process any more. */
  listen(): void {
    process.on('SIGHUP', this.#take);
  }

  /** It runs: what came meanwhile, and each one from now on, calls `reload`. */
  started(reload: () => void): void {
    this.#reload = reload;
    if (this.#isWanted) reload();
  }

  /** It begins to stop. The listener stays: without one, the signal would end the process before the process ends itself. */
  stopping(): void {
    this.#reload = () => {};
  }
}
