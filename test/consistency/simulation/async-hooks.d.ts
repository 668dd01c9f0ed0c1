/** The part of Node's module that the simulation uses. The vitest plugin enables it; the project has only the types of Workers. */
declare module 'node:async_hooks' {
  export class AsyncLocalStorage<Store> {
    getStore(): Store | undefined;
    run<Result>(store: Store, work: () => Result): Result;
  }
}
