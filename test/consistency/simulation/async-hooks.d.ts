/** What the simulation uses of Node's module, which the vitest plugin switches on; the project's types are those of Workers alone. */
declare module 'node:async_hooks' {
  export class AsyncLocalStorage<Store> {
    getStore(): Store | undefined;
    run<Result>(store: Store, work: () => Result): Result;
  }
}
