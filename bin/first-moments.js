/**
 * What must not wait for the program to be loaded: SIGHUP is kept, Node's inspector stays shut, and NO_COLOR has its way.
 * Imported before all else, by every entry that the program has.
 */
import inspector from 'node:inspector';
import { setImmediate } from 'node:timers/promises';

if (['master', 'agent'].includes(process.argv[2] ?? '')) keepHangUp();
await refuseDebugger();
// Here NO_COLOR wins. Node has it the other way round, and would warn of that on stderr as soon as a library loads its assert.
if (process.env.NO_COLOR) delete process.env.FORCE_COLOR;

/**
 * Node opens its inspector on SIGUSR1: every user of this machine could then run code here. One that was opened before this
 * line ran is closed again; where this command is started for good, `--disable-sigusr1` leaves not even that moment.
 */
async function refuseDebugger() {
  process.on('SIGUSR1', () => {});
  const isAsked = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((option) =>
    /--inspect(?!-port)/.test(option),
  );
  if (isAsked) return;
  // One signal opens it twice: by an interrupt, and in a later turn of the loop.
  for (let turn = 0; turn < 3; turn++) {
    inspector.close();
    await setImmediate();
  }
  // It may still be on its way from the thread that took it.
  for (const afterMs of [100, 1000]) setTimeout(() => inspector.close(), afterMs).unref();
}

/** SIGHUP would end what is about to start. It is kept until the program listens for it, and told then. */
function keepHangUp() {
  let hasCome = false;
  const keep = () => {
    hasCome = true;
  };
  process.on('SIGHUP', keep);
  process.on('newListener', function onListener(event) {
    if (event !== 'SIGHUP') return;
    process.off('newListener', onListener);
    // Behind the new one: without any listener SIGHUP would end the process.
    void setImmediate().then(() => {
      process.off('SIGHUP', keep);
      if (hasCome) process.emit('SIGHUP', 'SIGHUP');
    });
  });
}
