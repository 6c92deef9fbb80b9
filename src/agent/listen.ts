/**
 * The worker's side of a master's `register <id> <ip:port>`: serves `cluster.MasterWorker/MasterRegister` and nothing
 * else of that service.
 */
import { create } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { type Address, formatAddress, peerAddress } from '../config/kinds.ts';
import { type SettingNames, settingText } from '../config/setting-names.ts';
import { type MasterInfo, MasterWorker, type RegisterAck, RegisterAckSchema } from '../gen/cluster/master_worker_pb.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import { grpcServiceOf } from '../lib/grpc-adapter.ts';
import { portTakenText } from '../lib/local-ports.ts';
import { readTlsFiles } from '../lib/tls-files.ts';
import type { ListenTlsOptions } from './settings.ts';

/** The master of this agent, and whether it can change. */
export interface Allegiance {
  readonly workerId: string;
  /** The one in use, or to be tried next. */
  readonly master: Address | undefined;
  /** Configured masters: no other one is accepted, and one of them only when its turn comes. Empty if none is configured. */
  readonly fixedMasters: readonly Address[];
}

export type Pointing =
  | { readonly accepted: true; readonly master: Address; readonly message: string }
  | { readonly accepted: false; readonly message: string };

/** The answer to a master that announces its address. */
export function answerMaster({ workerId, master, fixedMasters }: Allegiance, announced: string): Pointing {
  let address: Address;
  try {
    address = peerAddress.parse(announced);
  } catch (error) {
    return refusal(`master_address ${JSON.stringify(announced)} is not an address: expected ${messageOf(error)}`);
  }
  const text = formatAddress(address);
  const isSame = master !== undefined && formatAddress(master) === text;
  const fixed = fixedMasters.map(formatAddress);
  if (!isSame && master !== undefined && fixed.includes(text)) {
    // Otherwise the masters of its list would compete for it: each calls while it reports to another.
    return refusal(
      `${workerId} reports to ${formatAddress(master)} now; ${text} is on its list, and tried in its turn`,
    );
  }
  if (!isSame && fixed.length > 0) {
    return refusal(`${workerId} was started with --master ${fixed.join(',')} and takes no other master`);
  }
  return { accepted: true, master: address, message: `${workerId} reports to ${text}` };
}

function refusal(message: string): Pointing {
  return { accepted: false, message };
}

export interface MasterListenerOptions {
  /** Undefined: nothing is encrypted. */
  readonly tls: ListenTlsOptions | undefined;
  /** How errors name the settings. */
  readonly names?: SettingNames | undefined;
  readonly allegiance: () => Allegiance;
  readonly onMaster: (master: Address) => void;
}

/** A master makes one call, with a name and an address; other clients of the port get no more resources than that. */
const LIMITS = { 'grpc.max_receive_message_length': 4096, 'grpc.max_concurrent_streams': 16 };

export class MasterListener {
  readonly #server = new Server(LIMITS);
  readonly #tls: ListenTlsOptions | undefined;
  readonly #names: SettingNames | undefined;

  constructor({ tls, names, allegiance, onMaster }: MasterListenerOptions) {
    this.#tls = tls;
    this.#names = names;
    this.#server.addService(grpcServiceOf(MasterWorker), {
      MasterRegister: (call: ServerUnaryCall<MasterInfo, RegisterAck>, reply: sendUnaryData<RegisterAck>) => {
        const pointing = answerMaster(allegiance(), call.request.masterAddress);
        if (pointing.accepted) onMaster(pointing.master);
        reply(null, create(RegisterAckSchema, { success: pointing.accepted, message: pointing.message }));
      },
    });
  }

  /**
   * Resolves with the address it is bound to.
   * @throws PulselaneError `environment` if that cannot be; `bad_setting` if a file for TLS is wrong
   */
  async listen({ host, port }: Address): Promise<string> {
    const credentials = await credentialsOf(this.#tls, this.#names);
    const errors: string[] = [];
    // All interfaces: both families where there is IPv6, else IPv4 alone.
    for (const candidate of host === '' ? ['::', '0.0.0.0'] : [host]) {
      try {
        const bound = await this.#bind(formatAddress({ host: candidate, port }), credentials);
        return formatAddress({ host: candidate, port: bound });
      } catch (error) {
        errors.push(messageOf(error));
      }
    }
    const wanted = formatAddress({ host, port });
    const said = errors.at(-1) ?? '';
    const reason = /EADDRINUSE/.test(said) ? portTakenText(port) : `cannot listen there: ${said}`;
    throw new PulselaneError('environment', `${settingText(this.#names, 'AGENT_LISTEN', wanted)}: ${reason}`);
  }

  /** Also ends calls that are being handled: nothing in them is worth waiting for. */
  close(): void {
    this.#server.forceShutdown();
  }

  #bind(address: string, credentials: ServerCredentials): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, credentials, (error, port) => {
        if (error !== null) reject(error);
        else resolve(port);
      });
    });
  }
}

async function credentialsOf(
  tls: ListenTlsOptions | undefined,
  names: SettingNames | undefined,
): Promise<ServerCredentials> {
  const paths = { tlsCert: tls?.cert, tlsKey: tls?.key, tlsClientCa: tls?.clientCa };
  const files = await readTlsFiles(paths, (variable, path) => settingText(names, `AGENT_LISTEN_${variable}`, path));
  if (files === undefined) return ServerCredentials.createInsecure();
  const { cert, key, clientCa } = files;
  return ServerCredentials.createSsl(
    clientCa === undefined ? null : Buffer.from(clientCa),
    [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }],
    clientCa !== undefined,
  );
}
