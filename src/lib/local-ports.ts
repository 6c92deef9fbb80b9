/** Explains why a port is taken although no process listens on it: it may be in the range for outgoing connections. */
import { readFileSync } from 'node:fs';

export interface PortFacts {
  /** Whether a process on this machine listens on it. */
  readonly isListenedOn: boolean;
  /** The range of ports for outgoing connections, as `[from, to]`; undefined: unknown. */
  readonly ephemeral: readonly [number, number] | undefined;
}

/** The error text for a port that is taken. */
export function portTakenText(port: number, { isListenedOn, ephemeral } = factsOf(port)): string {
  if (isListenedOn || ephemeral === undefined || port < ephemeral[0] || port > ephemeral[1])
    return 'the port is in use';
  return (
    `the port is in use by an outgoing connection: it is in the system’s range for those (${ephemeral.join(' to ')}); ` +
    `"sysctl net.ipv4.ip_local_reserved_ports=${port}" keeps it free`
  );
}

function factsOf(port: number): PortFacts {
  return {
    isListenedOn: ['tcp', 'tcp6'].some((table) => listeningPorts(textOf(`/proc/net/${table}`)).includes(port)),
    ephemeral: rangeIn(textOf('/proc/sys/net/ipv4/ip_local_port_range')),
  };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/**
 * Line format: `  0: 0100007F:1F90 00000000:0000 0A …`: number, local address and port, peer, state (0A: listening).
 */
function listeningPorts(table: string): number[] {
  return Array.from(table.matchAll(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) \S+ 0A /gm), ([, port]) =>
    Number.parseInt(port as string, 16),
  );
}

function rangeIn(text: string): [number, number] | undefined {
  const [from, to] = text.trim().split(/\s+/).map(Number);
  return from === undefined || to === undefined ? undefined : [from, to];
}
