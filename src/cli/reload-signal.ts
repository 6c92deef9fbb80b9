/** SIGHUP: read again what files say. */

/**
 * Calls `reload` at each SIGHUP, which otherwise ends the process. A terminal that is closed sends it, too; a prompt has
 * then read its end of input, and ends the master by that. @returns how to stop listening
 */
export function onReloadSignal(reload: () => void): () => void {
  process.on('SIGHUP', reload);
  return () => process.off('SIGHUP', reload);
}
