import { describe, expect, it } from 'vitest';

import type { CommandIntent } from '../consistency/simulation/domain.ts';
import { intents } from '../domain.ts';
import { asOperator, command, eventsOf, get, json, post, type Headers, withToken, asNobody } from '../support/api.ts';
import { type Applied, appliedCommands } from '../support/applied-commands.ts';
import { declaredPathsOf } from '../support/declared-paths.ts';
import { exampleIn, idNameOf } from '../support/examples.ts';
import { pagesOf } from '../support/pages.ts';
import { expectProblem } from '../support/problem.ts';
import { tallyIntents } from '../support/tally-intents.ts';
import { modules } from '../worker.ts';

/*
 * What holds for every command of every module, whatever the domain is: that of src/domain.ts, and the tally. The commands are those of the
 * simulation (test/domain.ts). No consumer runs: what a read shows, its token has brought there.
 */

const COMMANDS = 60;
const all = [...intents, tallyIntents];

/** What a command has come to: its stream, its number of events, and the module that it belongs to. */
async function outcomeOf({ receipt, answer }: Applied) {
  const { id, stream, category } = exampleIn(receipt);
  const module = modules.find(({ aggregate }) => aggregate.category === category);
  if (!module) throw new Error(`no module has the category ${category}`);
  return { id, stream, module, version: Number(answer.headers.get('X-Version')), events: await eventsOf(stream) };
}

const sendAgain = ({ intent }: Applied, headers: Headers, body = intent.body) => command({ ...intent, body }, headers);

/** Another body for the same command on the same stream; undefined: chance gives none. */
function anotherBody({ generator, chance, intent }: Applied): CommandIntent['body'] | undefined {
  for (let tries = 0; tries < 20; tries += 1) {
    const other = generator.make(chance) as CommandIntent | undefined;
    if (other && other.path === intent.path && JSON.stringify(other.body) !== JSON.stringify(intent.body))
      return other.body;
  }
  return undefined;
}

/** Runs a check after every command that was applied, and tells for which commands it could look. */
async function afterEveryCommand(check: (applied: Applied) => Promise<boolean | void>): Promise<ReadonlySet<string>> {
  const looked = new Set<string>();
  for await (const applied of appliedCommands(all, COMMANDS)) {
    if ((await check(applied)) !== false) looked.add(applied.intent.command);
  }
  return looked;
}

describe('every command that is applied', () => {
  it('answers with its version, as a number and as a strong tag, as the log has it', async () => {
    const looked = await afterEveryCommand(async (applied) => {
      const { answer, receipt, intent } = applied;
      const { module, id, version, events } = await outcomeOf(applied);
      expect(answer.status).toBe(intent.stream === null ? 201 : 200);
      expect(answer.headers.get('ETag')).toBe(`"${version}"`);
      expect(receipt).toMatchObject({ [idNameOf(module)]: id, version });
      expect(events).toHaveLength(version);
      expect(answer.headers.get('X-Causal-Token')).toMatch(/^[A-Za-z0-9_-]+$/);
      expect(answer.headers.has('Idempotency-Replayed')).toBe(false);
      if (intent.stream === null) expect(answer.headers.get('Location')).toMatch(new RegExp(`/${id}$`));
      else expect(answer.headers.has('Location')).toBe(false);
    });
    expect(looked.size).toBeGreaterThanOrEqual(all.length);
  });

  it('is replayed with its key, and appends nothing', async () => {
    await afterEveryCommand(async (applied) => {
      const { version, stream, events } = await outcomeOf(applied);
      const again = await sendAgain(applied, { 'Idempotency-Key': applied.key });
      expect([again.status, again.headers.get('Idempotency-Replayed')]).toEqual([applied.answer.status, 'true']);
      expect(again.headers.get('X-Version')).toBe(String(version));
      expect(again.headers.get('Location')).toBe(applied.answer.headers.get('Location'));
      expect(await eventsOf(stream)).toHaveLength(events.length);
    });
  });

  it('keeps its key: with another body it is refused, and appends nothing', async () => {
    const looked = await afterEveryCommand(async (applied) => {
      const other = applied.intent.stream === null ? undefined : anotherBody(applied);
      const { stream, events } = await outcomeOf(applied);
      // Where it found nothing to do, there is nothing to remember.
      if (other === undefined || applied.intent.mayDoNothing) return false;
      await expectProblem(sendAgain(applied, { 'Idempotency-Key': applied.key }, other), 422, 'key-reused');
      expect(await eventsOf(stream)).toHaveLength(events.length);
      return true;
    });
    expect(looked).toContain('Add');
  });

  it('is refused if it expects another version, and appends nothing', async () => {
    const looked = await afterEveryCommand(async (applied) => {
      const { version, stream, events } = await outcomeOf(applied);
      if (applied.intent.stream === null) return false;
      const other = `"${version + 1}"`;
      for (const headers of [
        { 'If-Match': other },
        { 'If-Match': `W/${other}` },
        { 'X-Version': other.slice(1, -1) },
      ]) {
        const problem = await expectProblem(sendAgain(applied, headers), 412, 'version-mismatch');
        expect(problem['currentVersion']).toBe(version);
      }
      for (const headers of [{ 'If-Match': 'nonsense' }, { 'X-Version': '0' }, { 'X-Version': '1', 'If-Match': '"2"' }])
        await expectProblem(sendAgain(applied, headers), 400, 'invalid-header');
      expect(await eventsOf(stream)).toHaveLength(events.length);
      return true;
    });
    expect(looked).toContain('Add');
  });

  it('is refused if it expects a version of a stream without events: the current one is 0', async () => {
    const absent = post(`/tallies/${crypto.randomUUID()}/additions`, { by: 1 }, { 'If-Match': '"3"' });
    const problem = await expectProblem(absent, 412, 'version-mismatch');
    expect(problem['currentVersion']).toBe(0);
  });

  it('is refused with an unsigned token, and appends nothing', async () => {
    await afterEveryCommand(async (applied) => {
      const { stream, events } = await outcomeOf(applied);
      await expectProblem(sendAgain(applied, { 'X-Causal-Token': 'forged' }), 400, 'invalid-causal-token');
      expect(await eventsOf(stream)).toHaveLength(events.length);
    });
  });
});

describe('after every command that is applied', () => {
  it('a read of its resource with the token shows it, with the same tag', async () => {
    await afterEveryCommand(async (applied) => {
      const { module, id, version } = await outcomeOf(applied);
      const { resource, idName } = declaredPathsOf(module);
      if (resource === undefined) return;
      const path = resource.replace(`:${idName}`, id);
      const read = await get(path, withToken(applied.answer));
      expect([read.status, read.headers.get('X-Version'), read.headers.get('ETag')]).toEqual([
        200,
        String(version),
        `"${version}"`,
      ]);
      expect(await json(read)).toMatchObject({ [idName]: id, version });
      for (const tag of [`"${version}"`, `W/"${version}"`, '*', `"x", "${version}"`])
        expect((await get(path, withToken(read, { 'If-None-Match': tag }))).status, tag).toBe(304);
      expect((await get(path, withToken(read, { 'If-None-Match': '"0"' }))).status).toBe(200);
      const atLeast = await get(path, { 'X-Version': String(version) });
      expect([atLeast.status, atLeast.headers.get('X-Version')]).toEqual([200, String(version)]);
      expect(await json(atLeast)).toEqual(await json(get(path, withToken(applied.answer))));
      const ahead = await expectProblem(get(path, { 'X-Version': String(version + 1) }), 409, 'version-ahead');
      expect(ahead['currentVersion']).toBe(version);
    });
  });

  it('`Prefer: return=representation` gives what a read gives', async () => {
    const looked = await afterEveryCommand(async (applied) => {
      const { resource, idName } = declaredPathsOf((await outcomeOf(applied)).module);
      const again = await sendAgain(applied, { 'Idempotency-Key': applied.key, Prefer: 'return=representation' });
      if (resource === undefined || !again.ok) return false;
      expect(again.headers.get('Preference-Applied')).toBe('return=representation');
      const body = await json(again.clone());
      expect(body).toEqual(await json(get(resource.replace(`:${idName}`, body[idName] as string), withToken(again))));
      return true;
    });
    expect(looked).toContain('Add');
  });

  it('every list of its module, in pages of one, has it once and at its version', async () => {
    for await (const applied of appliedCommands(all, COMMANDS / 4)) {
      const { module, id, version } = await outcomeOf(applied);
      const { lists, idName } = declaredPathsOf(module);
      for (const path of lists) {
        const rows: Readonly<Record<string, unknown>>[] = [];
        let headers = withToken(applied.answer);
        for await (const page of pagesOf(`${path}?limit=1`, headers)) {
          expect(page.length).toBeLessThanOrEqual(1);
          rows.push(...page);
          headers = withToken(applied.answer);
        }
        expect(rows.filter((row) => row[idName] === id)).toMatchObject([{ version }]);
        expect(rows).toEqual((await json(get(`${path}?limit=100`, withToken(applied.answer)))).items);
      }
    }
  });

  it('its history ends with its last event', async () => {
    await afterEveryCommand(async (applied) => {
      const { module, id, version, events } = await outcomeOf(applied);
      const { history, idName } = declaredPathsOf(module);
      if (history === undefined) return;
      const path = history.replace(`:${idName}`, id);
      await expectProblem(get(path, asNobody), 401, 'unauthorized');
      const items: Readonly<Record<string, unknown>>[] = [];
      for await (const page of pagesOf(`${path}?limit=2`, asOperator)) items.push(...page);
      expect(items.map(({ type }) => type)).toEqual(events.map(({ type }) => type));
      expect(items.at(-1)).toMatchObject({ version, data: events.at(-1)?.data });
    });
  });

  it('a past version shows the state at that version', async () => {
    await afterEveryCommand(async (applied) => {
      const { module, id, version } = await outcomeOf(applied);
      const { resource, idName } = declaredPathsOf(module);
      if (resource === undefined) return;
      const path = resource.replace(`:${idName}`, id);
      await expectProblem(get(`${path}?asOf=1`, asNobody), 401, 'unauthorized');
      for (const asOf of new Set([1, version]))
        expect(await json(get(`${path}?asOf=${asOf}`, asOperator))).toMatchObject({ [idName]: id, version: asOf });
      expect(await json(get(`${path}?asOf=${version}`, asOperator))).toEqual(
        await json(get(path, withToken(applied.answer))),
      );
    });
  });
});
