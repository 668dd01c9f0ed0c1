// oxlint-disable-next-line import/no-unassigned-import -- it registers the formats
import '@hyperjump/json-schema/formats-lite';
import {
  type Validator,
  registerSchema,
  setShouldValidateFormat,
  unregisterSchema,
  validate,
} from '@hyperjump/json-schema/openapi-3-1';

/** An OpenAPI document, as far as this looks into it. */
export interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly components: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

type Json = Parameters<Validator>[0];

/** One exchange, as it went over the wire. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly answer: Response;
}

const HOST = 'https://openapi.test';
// What an answer may carry undeclared: CORS is about the transport, and these are about the body.
const TRANSPORT = /^(access-control-.*|vary|x-content-type-options|content-type|content-length|allow)$/;
const METHODS_WITHOUT_BODY = ['HEAD', 'OPTIONS'];

/** Letters, digits and what else needs no code mean the same when they have one (RFC 3986, section 6.2.2.2). */
function withoutNeedlessCodes(path: string): string {
  return path.replaceAll(/%[0-9A-Fa-f]{2}/g, (code) => {
    const character = String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return /[\w\-.~]/.test(character) ? character : code;
  });
}

setShouldValidateFormat(true);
let serial = 0;

/**
 * Compares real answers with an OpenAPI document: the status is declared for that operation, every header is, those that it promises are
 * there, body and headers satisfy their schemas, and what was accepted satisfies the schemas of the request. Throws with what is wrong.
 */
export function declaredAnswers(document: OpenApiDocument) {
  serial += 1;
  const root = `${HOST}/${serial}`;
  registerSchema(document as never, root, 'https://spec.openapis.org/oas/3.1/schema-base');
  const validators = new Map<string, Promise<Validator>>();
  const operations = Object.entries(document.paths).map(([template, item]) => ({
    template,
    methods: Object.keys(item).map((method) => method.toUpperCase()),
    matches: new RegExp(`^${template.replaceAll('.', String.raw`\.`).replaceAll(/\{[^}]+\}/g, '[^/]+')}$`),
  }));

  async function faultsOf(pointer: readonly string[], value: unknown): Promise<readonly string[]> {
    const fragment = pointer.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
    const uri = `${root}#${encodeURI(fragment)}`;
    const validator = validators.get(uri) ?? validate(uri);
    validators.set(uri, validator);
    const result = (await validator)(value as Json, 'BASIC');
    if (result.valid) return [];
    return (result.errors ?? []).map(
      ({ instanceLocation, absoluteKeywordLocation }) =>
        `${instanceLocation} against ${absoluteKeywordLocation.slice(root.length)}`,
    );
  }

  function at(pointer: readonly string[]): Record<string, unknown> | undefined {
    return pointer.reduce<Record<string, unknown> | undefined>(
      (value, part) => value?.[part] as Record<string, unknown> | undefined,
      document as unknown as Record<string, unknown>,
    );
  }

  async function headerFaults(place: readonly string[], headers: Headers): Promise<readonly string[]> {
    const declared = Object.keys(at([...place, 'headers']) ?? {});
    const undeclared = [...headers.keys()].filter(
      (name) => !TRANSPORT.test(name) && !declared.some((other) => other.toLowerCase() === name),
    );
    const faults = declared.map(async (name) => {
      const { $ref, ...own } = at([...place, 'headers', name]) as { readonly $ref?: string };
      const { required, schema } = ($ref === undefined ? own : at(['components', 'headers', name])) as {
        required?: boolean;
        schema: { type?: string };
      };
      const text = headers.get(name);
      if (text === null) return required ? [`the header ${name} is missing`] : [];
      const value = schema.type === 'integer' && /^-?[0-9]+$/.test(text) ? Number(text) : text;
      return (await faultsOf(['components', 'headers', name, 'schema'], value)).map(
        (fault) => `${name}: ${text}: ${fault}`,
      );
    });
    return [...undeclared.map((name) => `the header ${name} is not declared`), ...(await Promise.all(faults)).flat()];
  }

  async function bodyFaults(place: readonly string[], answer: Response): Promise<readonly string[]> {
    const declared = Object.keys(at([...place, 'content']) ?? {});
    const text = await answer.clone().text();
    if (declared.length === 0) return text === '' ? [] : ['a body is not declared'];
    const type = answer.headers.get('Content-Type')?.split(';')[0] ?? 'none';
    if (!declared.includes(type)) return [`the content type ${type} is not declared`];
    return faultsOf([...place, 'content', type, 'schema'], type.endsWith('json') ? JSON.parse(text) : text);
  }

  /**
   * Where no operation answers, the whole API does: it does not know the path, or not the method. From a page of another origin it takes no change,
   * whatever the path.
   */
  async function generalFaults(exchange: Exchange, methods: readonly string[]): Promise<readonly string[]> {
    const { method, answer } = exchange;
    if (answer.status === 403 && !['GET', ...METHODS_WITHOUT_BODY].includes(method)) {
      const { code } = await answer.clone().json<{ code: string }>();
      return code === 'cross-site' ? [] : [`the code is ${code}`];
    }
    const code = methods.length === 0 ? 'not-found' : 'method-not-allowed';
    const isOptions = method === 'OPTIONS' && methods.length > 0;
    const status = isOptions ? 204 : methods.length === 0 ? 404 : 405;
    if (answer.status !== status) return [`this has to be ${status}`];
    const allow = (answer.headers.get('Allow') ?? '')
      .split(', ')
      .filter((name) => !['', ...METHODS_WITHOUT_BODY].includes(name));
    const allowFaults = allow.toSorted().join() === methods.toSorted().join() ? [] : [`Allow is ${allow.join(', ')}`];
    if (method === 'HEAD' || isOptions) return allowFaults;
    const problem = await answer.clone().json<{ code: string }>();
    const codeFaults = problem.code === code ? [] : [`the code is ${problem.code}`];
    return [...allowFaults, ...codeFaults, ...(await faultsOf(['components', 'schemas', 'Problem'], problem))];
  }

  /** A request that was accepted, or refused for another reason than its form, has the form that the document declares. */
  async function requestFaults(place: readonly string[], { path, body, answer }: Exchange): Promise<readonly string[]> {
    if ([400, 401, 403, 404, 413, 415].includes(answer.status) || answer.status >= 500) return [];
    const schema = [...place, 'requestBody', 'content', 'application/json', 'schema'];
    const faults =
      at(schema) && typeof body === 'string' && body !== '' ? await faultsOf(schema, JSON.parse(body)) : [];
    const parameters = (at([...place, 'parameters']) ?? []) as { in?: string; name?: string }[];
    const names = new Set(parameters.flatMap((parameter) => (parameter.in === 'query' ? [parameter.name] : [])));
    const asked = [...new URL(HOST + path).searchParams.keys()];
    const unknown = asked.filter((name) => !names.has(name));
    return [...faults, ...unknown.map((name) => `the parameter ${name} is not declared`)];
  }

  async function allFaults(exchange: Exchange): Promise<readonly string[]> {
    const { method, answer } = exchange;
    const path = withoutNeedlessCodes(new URL(HOST + exchange.path).pathname);
    // A literal path wins over one with parameters.
    const operation = operations
      .filter(({ matches }) => matches.test(path))
      .toSorted((one, other) => one.template.split('{').length - other.template.split('{').length)[0];
    const asked = method === 'HEAD' ? 'GET' : method;
    if (!operation?.methods.includes(asked)) return generalFaults(exchange, operation?.methods ?? []);
    const place = ['paths', operation.template, asked.toLowerCase()];
    const response = [...place, 'responses', String(answer.status)];
    if (!at(response)) return [`the status ${answer.status} is not declared`];
    return [
      ...(await headerFaults(response, answer.headers)),
      ...(method === 'HEAD' ? [] : await bodyFaults(response, answer)),
      ...(await requestFaults(place, exchange)),
    ];
  }

  return {
    async check(exchange: Exchange): Promise<void> {
      const faults = await allFaults(exchange);
      if (faults.length === 0) return;
      const { method, path, answer } = exchange;
      const body = METHODS_WITHOUT_BODY.includes(method) ? '' : (await answer.clone().text()).slice(0, 500);
      throw new Error(
        `${method} ${path} answered ${answer.status}, which GET /openapi.json does not declare so:\n${[...faults, body].join('\n')}`,
      );
    },
    /** A value against the schema at a place of the document. */
    faultsOf,
    forget: () => unregisterSchema(root),
  };
}
