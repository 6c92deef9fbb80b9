/** A BeatLoop without its thread: the test is the host program, and owns its time and its measurements. */
import { MessageChannel } from 'node:worker_threads';
import { BeatLoop } from '../../src/agent/beat-loop.ts';
import type { Capacity, MachineMeter, MachineUsages } from '../../src/agent/measure/machine.ts';
import type { FromThread, ToThread } from '../../src/agent/messages.ts';
import { type AgentSettingsOptions, checkAgentOptions } from '../../src/agent/settings.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { type Port, portOf } from '../../src/lib/ports.ts';
import { eventually } from './eventually.ts';
import { FakeClock } from './fake-clock.ts';

export class FakeMeter implements MachineMeter {
  now: MachineUsages = { cpuPercent: 12.5, memoryPercent: 25, storagePercent: 50, gpuPercent: 0, gpus: [] };
  /** How often it was asked. */
  looks = 0;
  /** How often its capacity was asked for: once per try to register, in the turn in which it begins. */
  tries = 0;

  async usages(): Promise<MachineUsages> {
    this.looks += 1;
    return this.now;
  }

  async capacity(): Promise<Capacity> {
    this.tries += 1;
    return { cores: 4, memoryGib: 16, storageGib: 100, gpus: 1 };
  }
}

export class LoopUnderTest<C extends Clock = FakeClock> {
  readonly clock: C;
  readonly meter = new FakeMeter();
  readonly received: FromThread[] = [];
  answersProbes = true;
  readonly #port: Port<FromThread, ToThread>;
  readonly #close: () => void;

  constructor(options: AgentSettingsOptions, clock: C, nextSequence = 1) {
    this.clock = clock;
    const { port1, port2 } = new MessageChannel();
    this.#close = () => port1.close();
    this.#port = portOf<FromThread, ToThread>(port1);
    new BeatLoop({ port: portOf<ToThread, FromThread>(port2), clock, meter: this.meter });
    this.#port.onMessage((message) => {
      this.received.push(message);
      if (message.type === 'probe' && this.answersProbes) this.post({ type: 'probe-answered', probe: message.probe });
    });
    this.post({ type: 'begin', settings: checkAgentOptions(options), tasks: [], metrics: [], ended: [], nextSequence });
  }

  static fake(options: AgentSettingsOptions): LoopUnderTest<FakeClock> {
    return new LoopUnderTest(options, new FakeClock());
  }

  post(message: ToThread): void {
    this.#port.postMessage(message);
  }

  of<T extends FromThread['type']>(type: T): Extract<FromThread, { type: T }>[] {
    return this.received.filter((message) => message.type === type) as Extract<FromThread, { type: T }>[];
  }

  /** The lines for people, so far. */
  get lines(): string[] {
    return this.of('report').map(({ message }) => message);
  }

  lineWith(text: string): Promise<string> {
    return eventually(() => this.lines.find((line) => line.includes(text)));
  }

  async stop(): Promise<void> {
    this.post({ type: 'stop' });
    await eventually(() => this.of('stopped')[0]);
    this.#close();
  }
}
