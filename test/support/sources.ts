declare global {
  interface ImportMeta {
    /** Vite replaces the call by the files that match: tests run in workerd, which has no disk to look at. */
    glob(
      patterns: string | readonly string[],
      options: { query: '?raw'; import: 'default'; eager: true },
    ): Record<string, string>;
  }
}

/** Text by path, as from the top of the repository. */
export type Files = Readonly<Record<string, string>>;

/** What a test in a folder got from `import.meta.glob`, by paths from the top. */
export function fromTop(files: Files, folder = 'test/'): Files {
  return Object.fromEntries(
    Object.entries(files).map(([path, text]) => [new URL(path, `file:///${folder}`).pathname.slice(1), text]),
  );
}

/** What a file imports, types too: packages by name, files by their path from the top. */
export function importsOf(path: string, source: string): readonly string[] {
  const specifiers = [...withoutComments(source).matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)(['"])(.+?)\1/g)].map(
    (match) => match[2] ?? '',
  );
  return specifiers.map((specifier) =>
    specifier.startsWith('.') ? new URL(specifier, `file:///${path}`).pathname.slice(1) : specifier,
  );
}

export function withoutComments(source: string): string {
  const commentOrText = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;
  return source.replaceAll(commentOrText, (match) => (match.startsWith('/') ? '' : match));
}

/** Where identifiers or texts of a file's code have one of these words in them, in the singular or the plural. */
export function wordsInCode(files: Files, words: readonly string[]): readonly string[] {
  return Object.entries(files).flatMap(([path, source]) => {
    const code = withoutComments(source).replaceAll(/\bORDER BY\b|\.orderBy\b/g, '');
    const found = code.match(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])/g) ?? [];
    return found
      .filter((word) => words.includes(word.toLowerCase().replace(/s$/, '')))
      .map((word) => `${path}: ${word}`);
  });
}
