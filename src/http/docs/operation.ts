/** One operation of the document as HTML: what it takes, what it answers, an example. */
import { html } from 'hono/html';
import { commandFor, type DescribedOperation } from './command.ts';
import { isRecord } from './is-record.ts';
import { type Html, inline, prose } from './prose.ts';
import { membersOf, type Schema, typeOf } from './schema-members.ts';

/** Resolves a reference within the document. */
export type Resolve = (schema: Schema) => Schema;

export function operationHtml({ method, path, operation }: DescribedOperation, resolve: Resolve): Html {
  const parameters = Array.isArray(operation.parameters) ? operation.parameters.filter(isRecord) : [];
  const body = bodySchema(operation, resolve);
  const command = commandFor({ method, path, operation }, body?.example);
  return html`<article id="${operation.operationId}">
    <h3><span class="method ${method}">${method.toUpperCase()}</span> <code>${path}</code></h3>
    ${prose(`${operation.summary}.`)}${prose(operation.description as string | undefined)}
    ${command === undefined ? '' : html`<pre><code>${command}</code></pre>`}
    ${parameters.length === 0 ? '' : parametersHtml(parameters, resolve)} ${body === undefined ? '' : requestHtml(body, resolve)}
    ${answersHtml(operation, resolve)}
  </article>`;
}

function parametersHtml(parameters: readonly Schema[], resolve: Resolve): Html {
  const rows = parameters.map((parameter) => {
    const schema = isRecord(parameter.schema) ? resolve(parameter.schema) : {};
    const bounds = [
      schema.minimum === undefined ? '' : `at least ${schema.minimum}`,
      schema.maximum === undefined || schema.maximum === Number.MAX_SAFE_INTEGER ? '' : `at most ${schema.maximum}`,
      schema.default === undefined ? '' : `${schema.default} if not given`,
    ].filter((bound) => bound !== '');
    return html`<tr>
      <td><code>${parameter.name}</code></td>
      <td>${parameter.in}</td>
      <td>${typeOf(schema, resolve)}${bounds.length === 0 ? '' : `, ${bounds.join(', ')}`}</td>
      <td>${prose(parameter.description as string | undefined)}</td>
    </tr>`;
  });
  return html`<h4>Parameters</h4>
    ${htmlTable(['Name', 'In', 'Type', 'Meaning'], rows)}`;
}

/** The schema of the JSON request body, if there is one. */
function bodySchema({ requestBody }: Schema, resolve: Resolve): Schema | undefined {
  const content = isRecord(requestBody) && isRecord(requestBody.content) ? requestBody.content : {};
  const json = content['application/json'];
  return isRecord(json) && isRecord(json.schema) ? resolve(json.schema) : undefined;
}

function requestHtml(schema: Schema, resolve: Resolve): Html {
  return html`<h4>Body, as application/json</h4>
    ${membersHtml(membersOf(schema, resolve))} ${schema.example === undefined ? '' : exampleHtml(schema.example)}`;
}

function membersHtml(members: ReturnType<typeof membersOf>): Html {
  const rows = members.map(
    ({ path, type, description }) =>
      html`<tr>
        <td><code>${path}</code></td>
        <td>${type}</td>
        <td>${prose(description)}</td>
      </tr>`,
  );
  return htmlTable(['Member', 'Type', 'Meaning'], rows);
}

/** Problems common to all operations are omitted: the page lists them once, in the table of errors. */
function answersHtml(operation: Schema, resolve: Resolve): Html {
  const answers = Object.entries(isRecord(operation.responses) ? operation.responses : {}).filter(
    (answer): answer is [string, Schema] => isRecord(answer[1]) && answer[1].$ref === undefined,
  );
  const rows = answers.map(
    ([status, { description, content }]) =>
      html`<tr>
        <td><code>${status}</code></td>
        <td>${inline(String(description))}</td>
        <td class="soft">${Object.keys(isRecord(content) ? content : {}).join(', ')}</td>
      </tr>`,
  );
  return html`<h4>Responses</h4>
    ${htmlTable(['Status', 'Meaning', 'Content type'], rows)} ${answers.map(([status, answer]) => bodyHtml(status, answer, resolve))}`;
}

function bodyHtml(status: string, { content }: Schema, resolve: Resolve): Html | '' {
  const json = isRecord(content) ? content['application/json'] : undefined;
  if (status !== '200' || !isRecord(json)) return '';
  const members = isRecord(json.schema) ? membersOf(json.schema, resolve) : [];
  return html`${
    members.length === 0
      ? ''
      : html`<details>
        <summary>Members of the response</summary>
        ${membersHtml(members)}
      </details>`
  }
  ${json.example === undefined ? '' : exampleHtml(json.example)}`;
}

/** Longer examples are collapsed. */
const LINES_SHOWN = 16;

function exampleHtml(example: unknown): Html {
  const text = JSON.stringify(example, null, 2);
  const block = html`<pre><code>${text}</code></pre>`;
  return text.split('\n').length > LINES_SHOWN
    ? html`<details>
        <summary>Example</summary>
        ${block}
      </details>`
    : html`<h4>Example</h4>
        ${block}`;
}

export function htmlTable(heads: readonly string[], rows: readonly Html[]): Html {
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${heads.map((head) => html`<th scope="col">${head}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}
