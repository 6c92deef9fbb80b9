/** A whole master and a real Alertmanager: what fires is there, also after a restart of the master, and ends there when it is over. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startMaster } from '../../src/app/master.ts';
import { masterConfig } from '../../src/config/resolve.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { AlertmanagerServer } from '../support/alertmanager-server.ts';
import { describeWith } from '../support/debian.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { keptLog } from '../support/kept-log.ts';

describeWith('prometheus-alertmanager')('Alertmanager', () => {
  test('is kept in step over a restart of the master, although another one is away', async () => {
    await using server = await AlertmanagerServer.start();
    const away = `http://127.0.0.1:${await freePort()}`;
    const folder = await mkdtemp(join(tmpdir(), 'pulselane-alerts-'));
    const file = join(folder, 'rules.yaml');
    const rules = (when: string) =>
      writeFile(
        file,
        `evaluation_interval: 1s
receivers: [{ name: am, alertmanager: { urls: ["${away}", "${server.url}"] } }]
route: { receiver: am, group_wait: 0s, group_interval: 1s }
rules: [{ alert: Empty, for_each: cluster, when: "${when}", labels: { "gpu.model": x }, annotations: { summary: "{{ workers }} workers" } }]
`,
      );
    const environment = {
      DATA_DIR: join(folder, 'data'),
      ALERT_RULES: file,
      ALERTS: 'on',
      HISTORY: 'off',
      GRPC_PORT: '127.0.0.1:0',
      HTTP_PORT: 'off',
      PUBLIC_URL: 'https://pulselane.example.org',
    };
    const start = () =>
      startMaster(masterConfig({ flags: {}, environment, dotenv: {} }), {
        logger: keptLog().logger,
        clock: systemClock,
      });
    await rules('workers == 0');
    let master = await start();
    try {
      const [seen] = await eventually(() => {
        const all = server.alerts();
        return all.length > 0 && all;
      });
      expect(seen).toMatchObject({
        labels: { alertname: 'Empty', gpu_model: 'x' },
        annotations: { summary: '0 workers' },
        generatorURL: expect.stringMatching(/^https:\/\/pulselane\.example\.org\/#\//),
      });
      await master.stop();
      master = await start();
      // The same rule under another condition: the alert that the first master opened is closed by the second.
      await rules('workers == 7');
      await eventually(async () => (await master.operator.askAlerts({ type: 'reload-rules' })).ok);
      await eventually(() => server.alerts().length === 0);
    } finally {
      await master.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
