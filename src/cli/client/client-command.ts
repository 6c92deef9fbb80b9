/** What every command that asks a running master is made of. */
import { Command } from 'commander';
import { addOptions, givenFlags } from '../../config/command-line.ts';
import { clientOptions } from '../../config/options.ts';
import { clientConfig } from '../../config/resolve.ts';
import { processSources } from '../../config/sources.ts';
import type { Clock } from '../../lib/clock.ts';
import { addOutputOption, type OutputFormat } from '../output/format.ts';
import type { Streams } from '../streams.ts';
import { ApiClient } from './api.ts';
import { clientTls } from './tls.ts';
import { clientToken } from './token.ts';

export interface ClientEnvironment {
  readonly streams: Streams;
  readonly clock: Clock;
}

/** A command with the flags of all clients. @param formats of its `-o` */
export function clientCommand(name: string, description: string, formats: readonly OutputFormat[]): Command {
  return addOutputOption(addOptions(new Command(name).description(description), clientOptions), formats);
}

/** The master that the flags of `command`, the environment or `.env` name. @param timeoutMs for an answer, if not the usual */
export function apiClientOf(command: Command, clock: Clock, timeoutMs?: number): ApiClient {
  const config = clientConfig(processSources(givenFlags(command, clientOptions)));
  return new ApiClient({ url: config.url, token: clientToken(config), tls: clientTls(config), clock, timeoutMs });
}
