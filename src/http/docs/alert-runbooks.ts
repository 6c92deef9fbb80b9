/** What to do about each shipped alert. Generated from docs/alert-runbooks.md by `npm run generate`. */
export const ALERT_RUNBOOKS: readonly { readonly alert: string; readonly text: string }[] = [
  {
    alert: 'WorkerInactive',
    text: "The worker sends no heartbeats any more. While this alert fires, other alerts of the same worker are not sent.\n- Does the machine run? Can it reach the master's gRPC port? `pulselane events` shows when the worker fell silent, and whether others did at the same time.\n- Does the agent run? Its log says why it cannot connect: a refused token, a certificate that expired, a second agent with the same id.\n- The machine is gone for good: `pulselane unregister <worker>` closes the alert as `worker_removed`; otherwise the worker is forgotten after `RETENTION`.",
  },
  {
    alert: 'GroupMostlySilent',
    text: 'Most workers of a group fell silent at the same time; those that said farewell or have never reported do not count. Their own alerts are not sent. While the brake is active, these workers are not judged, since the fault is probably the network between them and this master. Groups of fewer than three workers are counted together: there is an alert for each of them that is silent.\n- Look at the network and the power of the group, and at the network of the master. `pulselane brake` shows since when it is active.\n- The workers really are gone: `pulselane brake release` judges them at once.',
  },
  {
    alert: 'WorkerStuck',
    text: 'Heartbeats arrive, and the worker makes no progress: the event loop of its program is blocked, or a running task has reported the same progress for longer than `STUCK_AFTER`. `pulselane status <worker>` says which. Look at that program: a deadlock, a full disk, a service that it waits for.',
  },
  {
    alert: 'WorkerFlapping',
    text: 'The worker keeps changing its state. Its network is bad, it is overloaded, or it restarts in a loop (the number of restarts is in the alert). While this alert fires, WorkerInactive of the same worker is not sent.',
  },
  {
    alert: 'LaneQuarantined',
    text: "The thread that processes this worker's heartbeats failed too often, so that it is not started for a while. The last good values of the worker are shown. `GET /api/v1/lanes` has the reason: mostly a processor of your own that throws, or uses too much memory. `pulselane release <worker>` ends the quarantine at once.",
  },
  {
    alert: 'HeartbeatsDropped',
    text: "For 10 minutes, more than a fifth of the worker's heartbeats were missed or dropped. Missed: sent, and never arrived, so that the network loses them or the agent's queue overflows. Dropped: arrived, and not processed, because they were rejected, or because the lane is too slow. `pulselane status <worker>` counts both by reason.",
  },
  {
    alert: 'StorageFullSoon',
    text: 'The storage is at 98 % or more, or it is full within 4 hours if it grows as in the last hour. Find out what grows, and delete or move it. The alert is over below 95 %, when it does not grow like that any more. A job that fills the disk for a while and then deletes its files is the usual false alarm: raise the threshold for its workers with a rule of your own.',
  },
  {
    alert: 'MemoryNearLimit',
    text: 'The memory has been above 95 % for 5 minutes. The system soon kills processes: end or move tasks, or give the machine more memory. The alert is over below 90 %.',
  },
  {
    alert: 'GpuGone',
    text: "The worker names fewer devices than it had, or none; the master remembers across restarts how many it had. Look at the kernel's log of the machine for errors of the driver (`NVRM: Xid`), and at `nvidia-smi`; a reset or a restart of the machine often brings the device back. If the device was removed on purpose, unregister the worker; its agent registers it anew.",
  },
  {
    alert: 'ExpectedWorkerAbsent',
    text: "The worker was registered 10 minutes ago or longer, and none of its heartbeats was accepted. Either its agent was never started, it cannot reach the master, or its heartbeats are refused: the master's log and `pulselane events` say which. Unregister a worker that nobody expects any more.",
  },
  {
    alert: 'ClockSkew',
    text: "The clock of the worker differs from that of the master by more than 2 seconds. Pulselane judges workers by its own clock, so nothing is wrong with their states; times that the worker reports are wrong, and certificates may be refused. Check the time synchronization (`timedatectl`) of the worker. If many workers have this alert, it is the master's clock.",
  },
  {
    alert: 'HistoryDegraded',
    text: 'The history cannot be written to its database. Samples wait on disk until it is back, and the oldest are dropped when that room is used up. `pulselane status` names the problem: a full disk, missing permissions, a database that does not answer. See History.',
  },
  {
    alert: 'Anomaly',
    text: 'A metric of the worker behaves differently from what is usual for it. The alert names the metric and the reason. It is a hint, not a fault: nobody should be woken by it. If it is the new normal, it is accepted as such after a while.',
  },
];
