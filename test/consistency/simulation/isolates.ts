import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { env as bindings } from 'cloudflare:workers';

import type { Env } from '../../../src/bindings.ts';
import { type TokenCodec, tokenCodec } from '../../../src/tidemark/queries/token-codec.ts';
import { secretOf } from '../../support/tokens.ts';
import type { Choices } from './choices.ts';
import type { Isolate } from './session.ts';
import { type simulatedSystem, withFormerCode } from './simulated-platform.ts';
import type { World } from './world.ts';

export type System = ReturnType<typeof simulatedSystem>;

const FIRST_KEY = secretOf('key-0');

/** The Workers that serve: each with a memory and a clock of its own, all with the same keys for tokens. */
export class Isolates {
  readonly #system: System;
  readonly #world: World;
  readonly #choices: Choices;
  #all: readonly Isolate[];
  #keys: readonly string[] = [FIRST_KEY];
  /** How many restores the operator has told the Workers of. */
  #restores = 0;

  constructor(system: System, world: World, choices: Choices) {
    this.#system = system;
    this.#world = world;
    this.#choices = choices;
    this.#all = Array.from({ length: world.mix.isolates }, (_, index) => this.#newIsolate(index));
  }

  get all(): readonly Isolate[] {
    return this.#all;
  }

  get first(): Isolate {
    return this.#all[0] as Isolate;
  }

  get handler(): System['handler'] {
    return this.#system.handler;
  }

  /** The parts that the first of them has created. */
  get runtime(): ReturnType<System['runtimeOf']> {
    return this.#system.runtimeOf(this.first.env);
  }

  codec(): TokenCodec {
    return tokenCodec([this.#keys[0] ?? FIRST_KEY, ...this.#keys.slice(1)]);
  }

  /** A Worker with nothing in memory takes the place of one. */
  restartOne(): void {
    const replaced = this.#choices.below(this.#all.length);
    this.#all = this.#all.map((isolate, index) => (index === replaced ? this.#newIsolate(index) : isolate));
  }

  restartAll(): void {
    this.#all = this.#all.map((_, index) => this.#newIsolate(index));
  }

  /** Tokens are signed with this key from now on, and those of the one before are still taken. */
  rotateKey(key: string): void {
    this.#keys = [secretOf(key), ...this.#keys.slice(0, 1)];
    this.restartAll();
  }

  /** Tells all Workers, as an operator does, that something was set back to an earlier time. */
  announceRestore(): void {
    this.#restores += 1;
    this.restartAll();
  }

  async fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    return (await this.handler.fetch?.(request as never, env, context)) as Response;
  }

  /** Asks as a client without a token. Throws where the answer is no 200. */
  async get(path: string): Promise<unknown> {
    const context = createExecutionContext();
    const request = new Request(`https://tidemark.test${path}`, {
      headers: { Authorization: 'Bearer an-operations-key-for-tests-of-32-bytes' },
    });
    const answer = await this.fetch(request, this.first.env, context);
    await waitOnExecutionContext(context);
    const body = await answer.json();
    if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${JSON.stringify(body)}`);
    return body;
  }

  #newIsolate(index: number): Isolate {
    const [CAUSAL_TOKEN_KEY = FIRST_KEY, CAUSAL_TOKEN_PREVIOUS_KEY] = this.#keys;
    const keys = { CAUSAL_TOKEN_KEY, ...(CAUSAL_TOKEN_PREVIOUS_KEY !== undefined && { CAUSAL_TOKEN_PREVIOUS_KEY }) };
    const env = { ...bindings, ...keys, ...(this.#restores > 0 && { RESTORE_EPOCH: String(this.#restores) }) };
    const isFormer = this.#world.isDeploying && this.#choices.isSome(0.5);
    // A deployment that changes the format of checkpoints has Workers of both at a time.
    return { place: `isolate-${index}`, env: isFormer ? withFormerCode({ ...env, CHECKPOINT_FORMAT: '1' }) : env };
  }
}
