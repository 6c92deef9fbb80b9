import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { amdSmi, jsonReportIn, parseAmdSmi, parseRocmSmi, rocmSmi } from '../../src/agent/measure/gpu/amd.ts';
import { AmdSysfs } from '../../src/agent/measure/gpu/amd-sysfs.ts';
import { GpuMeter, meanUtilization, vendorsOf, wholeDevices } from '../../src/agent/measure/gpu/gpu-meter.ts';
import { parseDiscovery, parseDump, XpuSmi } from '../../src/agent/measure/gpu/intel.ts';
import { IntelSysfs, sinceThen } from '../../src/agent/measure/gpu/intel-sysfs.ts';
import { NvidiaSmi, parseMigList, parseMigMemory, parseNvidiaSmi } from '../../src/agent/measure/gpu/nvidia.ts';
import type { GpuSource } from '../../src/agent/measure/gpu/source.ts';
import { TOOL_TIMEOUT_MS, type Tools, toolFolders, toolsOf } from '../../src/agent/measure/gpu/tool.ts';
import { toolPathComplaints } from '../../src/agent/measure/gpu/tool-path.ts';
import type { GpuUsage } from '../../src/model/telemetry.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { isRunning } from '../support/is-running.ts';

const MIB = 1024 ** 2;
let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gpu-'));
});

afterAll(() => rm(root, { recursive: true, force: true }));

/** A tool as a vendor would install it: a script that is really run. */
async function install(folder: string, name: string, script: string): Promise<void> {
  const path = join(root, folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
}

function toolsIn(folder: string, timeoutMs = TOOL_TIMEOUT_MS): Tools {
  return toolsOf({ gpuToolPath: join(root, folder), environment: { path: '', libraryPath: '' } }, { timeoutMs });
}

/** Says of each tool what it printed on a real machine, as far as it is read. */
function recorded(outputs: Readonly<Record<string, string>>): Tools {
  return {
    find: async (name) => (Object.keys(outputs).some((key) => key.split(' ')[0] === name) ? name : undefined),
    run: async (path, args) => {
      const key = Object.keys(outputs).find((begin) => `${path} ${args.join(' ')}`.startsWith(begin));
      return {
        stdout: outputs[key ?? ''] ?? '',
        stderr: '',
        failure: key === undefined ? 'ended with exit code 2' : undefined,
      };
    },
  };
}

function meterOf(vendors: readonly (readonly GpuSource[])[], clock = new FakeClock()) {
  const lines: string[] = [];
  const meter = new GpuMeter({ clock, report: (level, line) => lines.push(`${level} ${line}`), vendors });
  return { meter, clock, lines };
}

const LINES = `0, GPU-aaaa, NVIDIA A100, 0, 100, 40960, 31, 55.12
1, GPU-bbbb, NVIDIA A100, 80, [N/A], 40960, 9223372036854775794, [Unknown Error]
`;

describe('a vendor’s tool', () => {
  test('that fails halfway tells the devices it printed, and its own words once', async () => {
    const words =
      'Unable to determine the device handle for GPU0000:0B:00.0: GPU is lost.  Reboot the system to recover this GPU';
    await install('halfway', 'nvidia-smi', `cat <<'END'\n${LINES}${words}\nEND\necho driver says no >&2\nexit 15`);
    const { meter, lines } = meterOf([[new NvidiaSmi(toolsIn('halfway'))]]);
    for (let i = 0; i < 3; i++) await meter.refreshInBackground();
    expect(meter.newest.map(({ uuid }) => uuid)).toEqual(['GPU-aaaa', 'GPU-bbbb']);
    expect(lines).toEqual([
      'warn GPU (nvidia-smi): Unable to determine the device handle for GPU0000:0B:00.0: GPU is lost. ' +
        'Reboot the system to recover this GPU; driver says no; ended with exit code 15',
    ]);
  });

  test('that hangs is ended with all it started, and what it had printed is told', async () => {
    const pidFile = join(root, 'hanging.pid');
    await install(
      'hanging',
      'nvidia-smi',
      `echo '0, GPU-aaaa, T4, 7, 1, 2, 3, 4'\nsleep 600 &\necho $! > ${pidFile}\nwait`,
    );
    const { meter, lines } = meterOf([[new NvidiaSmi(toolsIn('hanging', 1000))]]);
    await meter.refreshInBackground();
    expect(meter.newest).toMatchObject([{ uuid: 'GPU-aaaa', utilizationPercent: 7 }]);
    expect(lines).toEqual(['warn GPU (nvidia-smi): no answer within 1 s']);
    const pid = Number(await readFile(pidFile, 'utf8'));
    await eventually(() => !isRunning(pid));
  });

  test('that cannot be started since no file can be opened is an error like any other', async () => {
    const program = fileURLToPath(new URL('../support/tool-without-files.ts', import.meta.url));
    const script = 'ulimit -n 100; exec "$0" "$@"';
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', script, process.execPath, program]);
    expect(JSON.parse(stdout)).toEqual({ without: expect.stringContaining('EMFILE') });
  });

  test('that floods is ended', async () => {
    await install('flooding', 'nvidia-smi', 'exec yes 0123456789012345678901234567890123456789');
    const { stdout, failure } = await toolsIn('flooding').run(join(root, 'flooding/nvidia-smi'), []);
    expect(failure).toBe('it prints more than 4 MiB');
    expect(stdout.length).toBeLessThanOrEqual(4 * MIB);
  });

  test('that cannot be run is an error, and so is one that prints nothing but an error', async () => {
    await install(
      'broken',
      'nvidia-smi',
      'echo "NVIDIA-SMI has failed because it couldn\'t communicate with the NVIDIA driver."; exit 9',
    );
    const { meter, lines } = meterOf([[new NvidiaSmi(toolsIn('broken'))]]);
    await meter.refreshInBackground();
    expect(meter.newest).toEqual([]);
    expect(lines).toEqual([
      'warn GPU (nvidia-smi) cannot be measured and is left out: ' +
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.; ended with exit code 9",
    ]);
    await writeFile(join(root, 'broken/nvidia-smi'), 'not a program');
    expect((await toolsIn('broken').run(join(root, 'broken/none'), [])).failure).toContain('ENOENT');
  });

  test('is looked for in the folders of the setting, in PATH, and where drivers put it; never in a relative one', () => {
    const folders = toolFolders({ gpuToolPath: '/opt/a:b', environment: { path: '/usr/bin:.:/c', libraryPath: '' } });
    expect(folders.slice(0, 3)).toEqual(['/opt/a', '/usr/bin', '/c']);
    for (const known of ['/usr/lib/wsl/lib', '/run/current-system/sw/bin', '/usr/local/nvidia/bin', '/opt/rocm/bin']) {
      expect(folders).toContain(known);
    }
    expect(new Set(folders).size).toBe(folders.length);
    expect(folders.every((folder) => folder.startsWith('/'))).toBe(true);
  });

  test('is told at the start not to be found where the setting names no folder', async () => {
    await install('path', 'nvidia-smi', 'exit 0');
    const [folder, file, none] = ['path', 'path/nvidia-smi', 'none'].map((name) => join(root, name));
    const said = (what: string) =>
      `GPU_TOOL_PATH (--gpu-tool-path): ${what}; expected absolute paths of folders with tools`;
    expect(await toolPathComplaints(`${folder}::${file}:${none}:${file}:bin`)).toEqual([
      said(`"${file}" is not a folder`),
      said(`"${none}" is not there`),
      said('"bin" is a relative path, and is left out'),
    ]);
    expect(await toolPathComplaints('')).toEqual([]);
  });

  test('of the setting’s folder comes before that of PATH, and gets PATH, its libraries and nothing else', async () => {
    await install('first', 'nvidia-smi', 'env');
    await install('second', 'nvidia-smi', 'env');
    const environment = { path: join(root, 'second'), libraryPath: '/libs' };
    const tools = toolsOf({ gpuToolPath: join(root, 'first'), environment });
    const path = await tools.find('nvidia-smi');
    expect(path).toBe(join(root, 'first/nvidia-smi'));
    const { stdout } = await tools.run(path as string, []);
    const names = stdout.split('\n').flatMap((line) => /^(\w+)=/.exec(line)?.[1] ?? []);
    expect(names.filter((name) => !['PWD', 'OLDPWD', '_', 'SHLVL'].includes(name)).sort()).toEqual([
      'LC_ALL',
      'LD_LIBRARY_PATH',
      'PATH',
    ]);
    expect(stdout).toContain(`LD_LIBRARY_PATH=/libs:${root}/lib64`);
    const inPath = toolsOf({ gpuToolPath: '', environment });
    expect(await inPath.find('nvidia-smi')).toBe(join(root, 'second/nvidia-smi'));
  });

  test('that is installed later is found within a minute', async () => {
    const { meter, clock } = meterOf([[new NvidiaSmi(toolsIn('later'))]]);
    await meter.refreshInBackground();
    await install('later', 'nvidia-smi', `echo '0, GPU-1, T4, 7, 1, 2, 3, 4'`);
    clock.advance(59_000);
    await meter.refreshInBackground();
    expect(meter.newest).toEqual([]);
    clock.advance(1000);
    await meter.refreshInBackground();
    expect(meter.newest).toMatchObject([{ uuid: 'GPU-1' }]);
  });
});

describe('nvidia-smi', () => {
  test('idle is 0, what is not known is absent, and a sentinel is not a value', () => {
    const { gpus } = parseNvidiaSmi(LINES);
    expect(gpus).toEqual([
      {
        index: 0,
        uuid: 'GPU-aaaa',
        name: 'NVIDIA A100',
        utilizationPercent: 0,
        memoryUsedBytes: 100 * MIB,
        memoryTotalBytes: 40960 * MIB,
        temperatureCelsius: 31,
        powerWatts: 55.12,
      },
      { index: 1, uuid: 'GPU-bbbb', name: 'NVIDIA A100', utilizationPercent: 80, memoryTotalBytes: 40960 * MIB },
    ]);
    expect(meanUtilization(gpus)).toBe(40);
  });

  test('a name may hold commas, a row may hold anything, and what is no row is its own words', () => {
    const { gpus, words } = parseNvidiaSmi(
      '0, GPU-1, NVIDIA A, B, 1, 2, 3, 4, 5\r\n1, GPU-2, [GPU is lost]\nwarning: infoROM is corrupted\n',
    );
    expect(gpus).toMatchObject([{ name: 'NVIDIA A, B', utilizationPercent: 1, powerWatts: 5 }]);
    expect(words).toEqual(['1, GPU-2, [GPU is lost]', 'warning: infoROM is corrupted']);
  });

  test('any output gives finite numbers within bounds or none', () => {
    const cell = fc.oneof(fc.double().map(String), fc.integer().map(String), fc.string(), fc.constant('[N/A]'));
    fc.assert(
      fc.property(fc.array(cell, { minLength: 5, maxLength: 5 }), (cells) => {
        expectMeasured(parseNvidiaSmi(`0, u, n, ${cells.join(', ')}`).gpus);
      }),
    );
  });

  const MIG = {
    'nvidia-smi --query-gpu': `0, GPU-1, NVIDIA A100-SXM4-40GB, [N/A], 3000, 40960, 31, 55.12\n1, GPU-2, NVIDIA A100-SXM4-40GB, 60, 5, 40960, 30, 50`,
    'nvidia-smi -L': `GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-1)
  MIG 3g.20gb     Device  0: (UUID: MIG-a)
  MIG 1c.2g.10gb  Device  1: (UUID: MIG-b)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-2)
`,
    'nvidia-smi -q -x': `<?xml version="1.0" ?>
<nvidia_smi_log>
  <gpu id="00000000:00:09.0">
    <mig_mode><current_mig>Enabled</current_mig></mig_mode>
    <mig_devices>
      <mig_device>
        <index>0</index><gpu_instance_id>1</gpu_instance_id>
        <fb_memory_usage><total>20096 MiB</total><reserved>0 MiB</reserved><used>298 MiB</used></fb_memory_usage>
        <bar1_memory_usage><total>32767 MiB</total><used>0 MiB</used></bar1_memory_usage>
      </mig_device>
      <mig_device>
        <index>1</index><uuid>MIG-b</uuid>
        <fb_memory_usage><total>9856 MiB</total><used>N/A</used></fb_memory_usage>
      </mig_device>
    </mig_devices>
    <uuid>GPU-1</uuid>
    <fb_memory_usage><total>40960 MiB</total><used>3000 MiB</used></fb_memory_usage>
  </gpu>
  <gpu id="00000000:00:0A.0"><mig_devices>None</mig_devices><uuid>GPU-2</uuid></gpu>
</nvidia_smi_log>`,
  };

  test('MIG instances are parts of their device, with their own memory; they count neither as devices nor in the mean', async () => {
    const { gpus } = await new NvidiaSmi(recorded(MIG)).read();
    expect(gpus.slice(2)).toEqual([
      {
        index: 0,
        uuid: 'MIG-a',
        name: 'MIG 3g.20gb',
        parentUuid: 'GPU-1',
        memoryUsedBytes: 298 * MIB,
        memoryTotalBytes: 20096 * MIB,
      },
      { index: 1, uuid: 'MIG-b', name: 'MIG 1c.2g.10gb', parentUuid: 'GPU-1', memoryTotalBytes: 9856 * MIB },
    ]);
    expect(wholeDevices(gpus)).toHaveLength(2);
    expect(meanUtilization(gpus)).toBe(60);
  });

  test('any list and report give instances of devices that are there, or none', () => {
    const noise = fc.oneof(fc.string(), fc.constantFrom('<gpu', '</gpu>', '<mig_device>', '</uuid>', '<index>'));
    fc.assert(
      fc.property(fc.array(noise), fc.nat(2000), fc.nat(400), (parts, cutReport, cutList) => {
        const list = MIG['nvidia-smi -L'].slice(0, cutList) + parts.join('');
        for (const { parentUuid } of parseMigList(list)) expect(['GPU-1', 'GPU-2']).toContain(parentUuid);
        const report = MIG['nvidia-smi -q -x'].slice(0, cutReport) + parts.join('');
        for (const { usedMib, totalMib } of parseMigMemory(report)) {
          expect([usedMib, totalMib].every((value) => value === undefined || Number.isFinite(value))).toBe(true);
        }
      }),
    );
  });
});

describe('AMD', () => {
  const device = (gpu: number, more: object) => ({ gpu, ...more });
  const METRIC = [
    device(0, {
      usage: { gfx_activity: { value: 40, unit: '%' }, umc_activity: { value: 3, unit: '%' } },
      power: { socket_power: { value: 120, unit: 'W' } },
      temperature: { edge: 'N/A', hotspot: { value: 61, unit: 'C' } },
      mem_usage: { total_vram: { value: 16384, unit: 'MB' }, used_vram: { value: 8192, unit: 'MB' } },
    }),
    device(1, { usage: 'N/A', power: 'N/A', mem_usage: 'N/A' }),
  ];

  test.each([
    ['a list, as before ROCm 7', METRIC],
    ['an object around it', { gpu_data: METRIC }],
  ])('amd-smi prints %s', async (_, json) => {
    const warning = 'WARNING: User is missing the following required groups: render, video.\n';
    const { gpus } = await amdSmi(recorded({ 'amd-smi metric': `${warning}${JSON.stringify(json, null, 4)}` })).read();
    expect(gpus).toEqual([
      {
        index: 0,
        uuid: 'amd-0',
        name: 'AMD GPU',
        utilizationPercent: 40,
        memoryUsedBytes: 8192 * MIB,
        memoryTotalBytes: 16384 * MIB,
        temperatureCelsius: 61,
        powerWatts: 120,
      },
      { index: 1, uuid: 'amd-1', name: 'AMD GPU' },
    ]);
  });

  test('rocm-smi prints a member for each card and one for the system', async () => {
    const json = {
      card0: {
        'Unique ID': '0x1234567890abcdef',
        'Card Series': 'AMD Instinct MI210',
        'Temperature (Sensor edge) (C)': '45.0',
        'Average Graphics Package Power (W)': '120.5',
        'GPU use (%)': '62',
        'VRAM Total Memory (B)': '68702699520',
        'VRAM Total Used Memory (B)': '27481079808',
      },
      card1: {
        'GPU use (%)': 'N/A',
        'Temperature (Sensor junction) (C)': '50.0',
        'Current Socket Graphics Package Power (W)': '9.2',
      },
      system: { 'Driver version': '6.7.0' },
    };
    const { gpus } = await rocmSmi(recorded({ 'rocm-smi ': JSON.stringify(json) })).read();
    expect(gpus).toEqual([
      {
        index: 0,
        uuid: '0x1234567890abcdef',
        name: 'AMD Instinct MI210',
        utilizationPercent: 62,
        memoryUsedBytes: 27_481_079_808,
        memoryTotalBytes: 68_702_699_520,
        temperatureCelsius: 45,
        powerWatts: 120.5,
      },
      { index: 1, uuid: 'amd-1', name: 'AMD GPU', temperatureCelsius: 50, powerWatts: 9.2 },
    ]);
  });

  test('a tool that prints no JSON is an error with its words', async () => {
    await expect(
      rocmSmi(recorded({ 'rocm-smi ': 'ERROR:root:Driver not initialized (amdgpu not found in modules)' })).read(),
    ).rejects.toThrow('Driver not initialized');
  });

  test('any JSON gives measured devices or none, and any text some words', () => {
    fc.assert(
      fc.property(fc.anything(), fc.string(), (value, text) => {
        expectMeasured(parseAmdSmi(value));
        expectMeasured(parseAmdSmi([{ gpu: 0, usage: { gfx_activity: { value } }, power: value, temperature: value }]));
        expectMeasured(parseRocmSmi(value));
        expectMeasured(parseRocmSmi({ card0: value, card1: { 'GPU use (%)': value } }));
        expect(jsonReportIn({ stdout: text }).words.join('\n').length).toBeLessThanOrEqual(text.length);
      }),
    );
  });

  test('the driver’s files tell all without a tool, and built-in graphics only where there is no other device', async () => {
    const drm = join(root, 'drm-amd');
    const big = {
      mem_info_vram_total: '17163091968',
      mem_info_vram_used: '1048576',
      gpu_busy_percent: '37',
      unique_id: 'abcd',
    };
    await files(join(drm, 'card1/device'), {
      vendor: '0x1002',
      product_name: 'AMD Radeon PRO W7900',
      ...big,
      'hwmon/hwmon3/temp1_input': '47000',
      'hwmon/hwmon3/power1_average': '241000000',
    });
    await files(join(drm, 'card0/device'), {
      vendor: '0x1002',
      device: '0x164e',
      uevent: 'DRIVER=amdgpu\nPCI_SLOT_NAME=0000:0e:00.0',
      mem_info_vram_total: '536870912',
      gpu_busy_percent: '0',
    });
    await files(join(drm, 'card1-DP-1'), { status: 'connected' });
    await files(join(drm, 'card2/device'), { vendor: '0x10de' });
    const source = new AmdSysfs(drm);
    expect(await source.isPresent()).toBe(true);
    const expected = {
      index: 1,
      uuid: 'abcd',
      name: 'AMD Radeon PRO W7900',
      utilizationPercent: 37,
      memoryUsedBytes: 1_048_576,
      memoryTotalBytes: 17_163_091_968,
      temperatureCelsius: 47,
      powerWatts: 241,
    };
    expect((await source.read()).gpus).toEqual([expected]);
    // The small one alone: told, unless another vendor has a device.
    await rm(join(drm, 'card1'), { recursive: true });
    const { meter } = meterOf([[], [source]]);
    await meter.refreshInBackground();
    expect(meter.newest).toMatchObject([{ uuid: '0000:0e:00.0', name: 'AMD GPU 0x164e', utilizationPercent: 0 }]);
    const both = meterOf([[new NvidiaSmi(recorded({ 'nvidia-smi --query-gpu': LINES }))], [source]]).meter;
    await both.refreshInBackground();
    expect(both.newest.map(({ uuid }) => uuid)).toEqual(['GPU-aaaa', 'GPU-bbbb']);
  });
});

describe('Intel', () => {
  const DISCOVERY = JSON.stringify({
    device_list: [
      {
        device_id: 0,
        device_name: 'Intel(R) Data Center GPU Flex 170',
        uuid: '00000000-0000-0029',
        memory_physical_size_byte: '17179869184',
      },
      { device_id: 1, device_name: 'Intel(R) Arc(TM) A770', pci_bdf_address: '0000:03:00.0' },
    ],
  });
  const DUMP = `Timestamp, DeviceId, GPU Utilization (%), GPU Power (W), GPU Core Temperature (Celsius Degree), GPU Memory Used (MiB)
14:32:57.448,    0, 12.50, 106.60,  61,  28.00
14:32:57.449,    1, N/A, 105.25,  N/A,  N/A
`;

  test('xpu-smi names devices once and prints their numbers under a head line', async () => {
    const source = new XpuSmi(recorded({ 'xpu-smi discovery': DISCOVERY, 'xpu-smi dump': DUMP }));
    const expected = [
      {
        index: 0,
        uuid: '00000000-0000-0029',
        name: 'Intel(R) Data Center GPU Flex 170',
        utilizationPercent: 12.5,
        memoryUsedBytes: 28 * MIB,
        memoryTotalBytes: 17_179_869_184,
        temperatureCelsius: 61,
        powerWatts: 106.6,
      },
      { index: 1, uuid: '0000:03:00.0', name: 'Intel(R) Arc(TM) A770', powerWatts: 105.25 },
    ];
    expect((await source.read()).gpus).toEqual(expected);
    expect((await source.read()).gpus).toEqual(expected);
  });

  test('columns that come in another order, or are missing, change nothing else', () => {
    const numbers = parseDump('GPU Power (W), DeviceId\n7, 3\n8, 3\nbroken\n');
    expect(numbers.get(3)).toEqual({ powerWatts: 8 });
    expect(parseDump('Error: device not found').size).toBe(0);
  });

  test('any output gives devices with an id, or none', () => {
    fc.assert(
      fc.property(fc.anything(), fc.string(), (value, text) => {
        for (const json of [value, { device_list: value }, [value], [{ device_id: value, uuid: value }]]) {
          for (const { id } of parseDiscovery(json)) expect(Number.isFinite(id)).toBe(true);
        }
        for (const id of parseDump(`DeviceId, GPU Power (W)\n${text}`).keys()) expect(Number.isFinite(id)).toBe(true);
      }),
    );
  });

  test('without xpu-smi the driver tells how long a device slept and what it used; built-in graphics are left out', async () => {
    const drm = join(root, 'drm-intel');
    const clock = new FakeClock();
    await files(join(drm, 'card0/device'), { vendor: '0x8086', device: '0x4680' });
    await files(join(drm, 'card1'), {
      'device/vendor': '0x8086',
      'device/device': '0xe20b',
      'device/uevent': 'PCI_SLOT_NAME=0000:03:00.0',
      'device/hwmon/hwmon4/temp2_input': '52000',
      'device/hwmon/hwmon4/energy1_input': '1000000000',
      'device/tile0/gt0/gtidle/idle_residency_ms': '50000',
      'device/tile0/gt1/gtidle/idle_residency_ms': '90000',
    });
    const source = new IntelSysfs(drm, clock);
    expect(await source.isPresent()).toBe(true);
    expect((await source.read()).gpus).toEqual([
      { index: 1, uuid: '0000:03:00.0', name: 'Intel GPU 0xe20b', temperatureCelsius: 52 },
    ]);
    clock.advance(5000);
    await files(join(drm, 'card1/device'), {
      'hwmon/hwmon4/energy1_input': '1500000000',
      'tile0/gt0/gtidle/idle_residency_ms': '51000',
      'tile0/gt1/gtidle/idle_residency_ms': '95000',
    });
    const [gpu] = (await source.read()).gpus;
    expect(gpu).toMatchObject({ utilizationPercent: 80, powerWatts: 100 });
    clock.advance(3000);
    await files(join(drm, 'card1/device'), { 'hwmon/hwmon4/energy1_input': '1700000000' });
    expect((await source.read()).gpus).toMatchObject([{ powerWatts: 66.67 }]);
  });

  test('whatever counters do, what is derived of them is within bounds or absent', () => {
    const counters = fc.record({
      atMs: fc.double({ noNaN: true }),
      idleMs: fc.array(fc.double()),
      energyMicrojoules: fc.option(fc.double(), { nil: undefined }),
    });
    fc.assert(
      fc.property(counters, counters, (before, now) => {
        const { utilizationPercent = 0, powerWatts = 0 } = sinceThen(before, now);
        expect(utilizationPercent >= 0 && utilizationPercent <= 100).toBe(true);
        expect(powerWatts >= 0).toBe(true);
      }),
    );
  });
});

describe('all vendors', () => {
  test('are asked each by itself: one that hangs leaves the others', async () => {
    const hanging: GpuSource = { name: 'hanging', isPresent: async () => true, read: () => new Promise(() => {}) };
    const { meter, clock } = meterOf([[hanging], [amdSmi(recorded({ 'amd-smi metric': '[{"gpu":0}]' }))]]);
    const refreshed = meter.refresh(500);
    await eventually(() => meter.newest[0]?.uuid === 'amd-0');
    clock.advance(500);
    expect(await refreshed).toHaveLength(1);
  });

  test('have their best source first, and the next one when that is gone', async () => {
    const drm = join(root, 'drm-gone');
    await files(join(drm, 'card0/device'), {
      vendor: '0x1002',
      mem_info_vram_total: '17163091968',
      unique_id: 'files',
    });
    const clock = new FakeClock();
    const vendors = vendorsOf(recorded({ 'amd-smi metric': '[{"gpu":0}]' }), drm, clock);
    const { meter } = meterOf(vendors, clock);
    await meter.refreshInBackground();
    expect(meter.newest).toMatchObject([{ uuid: 'files' }]);
    await rm(drm, { recursive: true });
    for (let i = 0; i < 2; i++) {
      clock.advance(60_000);
      await meter.refreshInBackground();
    }
    expect(meter.newest).toMatchObject([{ uuid: 'amd-0' }]);
  });
});

describe('a source that fails', () => {
  const gpus = (uuid: string): GpuUsage[] => [{ index: 0, uuid, name: uuid }];

  /** A source that works or not, as told, and counts how often it is read. */
  function sourceOf(name: string) {
    const source = {
      name,
      works: false,
      reads: 0,
      isPresent: async () => true,
      async read() {
        source.reads += 1;
        if (!source.works) throw new Error(`${name} is broken`);
        return { gpus: gpus(name) };
      },
    };
    return source;
  }
  const seenBy = async (meter: GpuMeter) => {
    await meter.refreshInBackground();
    return meter.newest.map(({ uuid }) => uuid);
  };

  test('does not keep the next one from being asked, and is tried again after ten minutes', async () => {
    const [best, next] = [sourceOf('best'), sourceOf('next')];
    next.works = true;
    const { meter, clock, lines } = meterOf([[best, next]]);
    expect(await seenBy(meter)).toEqual([]);
    clock.advance(5000);
    expect(await seenBy(meter)).toEqual(['next']);
    // Still broken: what the next one tells is told on.
    clock.advance(600_000);
    expect(await seenBy(meter)).toEqual(['next']);
    await eventually(() => best.reads === 2);
    best.works = true;
    clock.advance(5000);
    expect(await seenBy(meter)).toEqual(['next']);
    expect(best.reads).toBe(2);
    clock.advance(600_000);
    await seenBy(meter);
    await eventually(async () => (await seenBy(meter))[0] === 'best');
    expect(lines).toEqual([
      'warn GPU (best) cannot be measured and is left out: best is broken',
      'info GPU (best) is measured again',
    ]);
  });

  test('as all do leaves each of them its turn, every minute or so', async () => {
    const sources = ['a', 'b', 'c'].map(sourceOf);
    const { meter, clock, lines } = meterOf([sources]);
    for (let ms = 0; ms < 600_000; ms += 5000) {
      expect(await seenBy(meter)).toEqual([]);
      clock.advance(5000);
    }
    expect(lines).toHaveLength(3);
    expect(sources.reduce((sum, { reads }) => sum + reads, 0)).toBe(120);
    for (const { reads } of sources) expect(reads).toBeGreaterThan(8);
    for (const source of sources) source.works = true;
    clock.advance(5000);
    expect(await seenBy(meter)).toHaveLength(1);
  });

  test('to say whether it is there counts as one that is not', async () => {
    const [unknown, next] = [sourceOf('unknown'), sourceOf('next')];
    unknown.isPresent = async () => Promise.reject(new Error('EMFILE'));
    next.works = true;
    expect(await seenBy(meterOf([[unknown, next]]).meter)).toEqual(['next']);
  });
});

/** Files by their paths below `folder`. */
async function files(folder: string, contents: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(contents)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), `${text}\n`);
  }
}

function expectMeasured(gpus: readonly GpuUsage[]): void {
  for (const { index, uuid, name, parentUuid, ...numbers } of gpus) {
    for (const value of Object.values(numbers)) expect(Number.isFinite(value) && value >= 0).toBe(true);
    expect(numbers.utilizationPercent ?? 0).toBeLessThanOrEqual(100);
  }
}
