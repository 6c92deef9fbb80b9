/**
 * The machines of workers as targets for Prometheus's HTTP service discovery: a list of `{targets, labels}`, always whole.
 * See https://prometheus.io/docs/prometheus/latest/http_sd/
 * Runs in the HTTP thread and in pool threads.
 */
import { isIP, isIPv6 } from 'node:net';
import { type Directory, readWhileThere, type WorkerEntry } from '../../reading/directory.ts';
import { ParsedRecord } from '../../reading/parsed-record.ts';
import { type Criteria, selectionBy } from '../../reading/selection.ts';
import type { BoardReader } from '../../store/board.ts';
import type { JsonText } from '../bodies/json-text.ts';

/** A validated request, as plain data that can be sent to another thread. */
export interface TargetsRequest {
  readonly criteria: Criteria;
  /** Where an exporter listens on each machine. */
  readonly port: number;
}

/** @returns how many workers that pass the filters told no usable address, and are left out */
export function writeTargets(text: JsonText, directory: Directory, { criteria, port }: TargetsRequest): number {
  const selection = selectionBy(criteria);
  let withoutAddress = 0;
  let separator = '[';
  for (const entry of directory.all()) {
    const host = hostOf(entry.facts?.ip ?? '');
    const labels = readWhileThere(directory.board, entry, () =>
      selection.matches(entry, directory, new ParsedRecord(entry)) ? labelsOf(entry, directory.board) : undefined,
    );
    if (labels === undefined) continue;
    if (host === undefined) withoutAddress++;
    else {
      text.ascii(separator).utf8(JSON.stringify({ targets: [`${host}:${port}`], labels }));
      separator = ',';
    }
  }
  text.ascii(separator === '[' ? '[]' : ']');
  return withoutAddress;
}

/** As RFC 952 and 1123 have it, and with the underscore that container networks use. */
const HOST_NAME = /^(?=.{1,253}$)[a-z\d_](?:[a-z\d_-]{0,61}[a-z\d_])?(?:\.[a-z\d_](?:[a-z\d_-]{0,61}[a-z\d_])?)*\.?$/i;

/**
 * The worker's address as the host of a target. Any text may come from a worker: what is neither an address nor a host name
 * is undefined, and so is an address with a zone (`fe80::1%eth0`), which means nothing on another machine.
 */
export function hostOf(address: string): string | undefined {
  if (isIPv6(address)) return address.includes('%') ? undefined : `[${address}]`;
  return isIP(address) !== 0 || HOST_NAME.test(address) ? address : undefined;
}

const PREFIX = '__meta_pulselane_';

function labelsOf({ workerId, row, facts }: WorkerEntry, board: BoardReader): Record<string, string> {
  const labels: Record<string, string> = {
    [`${PREFIX}worker`]: workerId,
    [`${PREFIX}state`]: board.state(row),
    [`${PREFIX}up`]: String(Number(board.isActive(row))),
  };
  if (facts === undefined) return labels;
  const { ip, group, agentVersion, instanceId } = facts;
  const told = { address: ip, group, agent_version: agentVersion, instance_id: instanceId };
  // To Prometheus an empty label is none.
  for (const [name, value] of Object.entries(told)) if (value !== '') labels[PREFIX + name] = value;
  return Object.assign(labels, ownLabels(facts.labels));
}

/**
 * The worker's own labels, named as Prometheus's own discoveries do. Of two names that become the same, the first in the order of
 * code units counts.
 */
function ownLabels(own: Readonly<Record<string, string>>): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const name of Object.keys(own).sort()) {
    const plain = sanitizedLabelName(name);
    const present = `${PREFIX}labelpresent_${plain}`;
    if (labels[present] !== undefined) continue;
    labels[present] = 'true';
    if (own[name] !== '') labels[`${PREFIX}label_${plain}`] = own[name] as string;
  }
  return labels;
}

/** Prometheus's rule: each character that no label name may have becomes an underscore. */
export function sanitizedLabelName(name: string): string {
  return name.replaceAll(/[^a-zA-Z0-9_]/gu, '_');
}
