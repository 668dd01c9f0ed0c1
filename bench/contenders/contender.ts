/** Something to be measured: a Worker, how it is built and what it stands on. */
export interface Contender {
  readonly name: string;
  /** Its wrangler.toml. */
  readonly configPath: string;
  /** Its entry file, where that is not the one of its wrangler.toml. */
  readonly main?: string;
  /** The folder that its bundle is built into. */
  readonly bundle: string;
  /** Its bundle keeps the names of functions, for a profile. Default: it is minified, as a deployment's. */
  readonly isReadable?: true;
  readonly bindings: Readonly<Record<string, string>>;
  /** Folders of migrations, by the database's binding. */
  readonly migrations: Readonly<Record<string, string>>;
}
