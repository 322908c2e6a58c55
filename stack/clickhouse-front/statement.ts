/**
 * What the front must know of a statement before the engine sees it: whether rows come behind the text, in which
 * format the answer is wanted, and whether there is more than one statement (the engine would run them all, a server
 * refuses). It reads words, quotes, brackets and comments, and leaves everything else to the engine.
 */
export interface Statement {
  readonly kind: 'empty' | 'multiple' | 'insert' | 'other';
  /** Up to the end of the format's name where rows follow; otherwise the whole text. */
  readonly text: string;
  /** The name after FORMAT at the end, as it was written. */
  readonly format: string | undefined;
  /** Where an INSERT takes its rows from: behind the text in a format, or out of the text itself. */
  readonly rows: 'data' | 'own';
  /** Where the words that `readFromFile` must know start, in characters of `text`. */
  readonly marks: Marks;
}

interface Marks {
  readonly format: number | undefined;
  readonly settings: number | undefined;
  /** The brackets of `input(…)`, from the name to just behind the opening one. */
  readonly input: { readonly start: number; readonly end: number } | undefined;
}

interface Token {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly depth: number;
}

const TOKEN =
  /--[^\n]*|#[ !][^\n]*|\/\*[\s\S]*?\*\/|'(?:[^'\\]|\\[\s\S]|'')*'|`(?:[^`\\]|\\[\s\S]|``)*`|"(?:[^"\\]|\\[\s\S]|"")*"|[A-Za-z_][\w$]*|[^\s\w]|\w+/gu;
const COMMENT = /^(?:--|#[ !]|\/\*.)/s;

export function readStatement(text: string): Statement {
  const reader = new StatementReader(text);
  return reader.read();
}

class StatementReader {
  readonly #text: string;
  #first = '';
  #ended = false;
  #multiple = false;
  #select = false;
  #settings: number | undefined;
  #input: Marks['input'];
  #previous: Token | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Statement {
    let format: { readonly name: Token; readonly word: Token } | undefined;
    for (const token of tokensOf(this.#text)) {
      if (this.#note(token)) break;
      if (!this.#mayFollowFormat(token)) format = undefined;
      if (this.#isWord(this.#previous, 'FORMAT') && /^[A-Za-z]\w*$/.test(token.text)) {
        format = { name: token, word: this.#previous };
        if (this.#insertsData()) return this.#insertOfData(format.word, token);
      }
      this.#previous = token;
    }
    return this.#whole(format);
  }

  /** True when nothing behind this token is of interest: values, or a second statement. */
  #note(token: Token): boolean {
    const word = token.text.toUpperCase();
    if (token.text === ';') this.#ended = true;
    else if (this.#ended) this.#multiple = true;
    else if (this.#first === '') this.#first = word;
    if (token.depth === 0 && word === 'SETTINGS') this.#settings ??= token.start;
    if (token.depth === 0 && (word === 'SELECT' || word === 'WITH')) this.#select = true;
    if (token.text === '(' && this.#previous?.text.toLowerCase() === 'input') {
      this.#input ??= { start: this.#previous.start, end: token.end };
    }
    return this.#multiple || (this.#first === 'INSERT' && !this.#select && token.depth === 0 && word === 'VALUES');
  }

  /** `SELECT format FROM t` has a column of that name, and no format. */
  #mayFollowFormat(token: Token): boolean {
    return token.text === ';' || this.#settings !== undefined || token.depth > 0;
  }

  #isWord(token: Token | undefined, word: string): token is Token {
    return token !== undefined && token.depth === 0 && token.text.toUpperCase() === word;
  }

  #insertsData(): boolean {
    return this.#first === 'INSERT' && (!this.#select || this.#input !== undefined);
  }

  #insertOfData(word: Token, name: Token): Statement {
    const marks = { format: word.start, settings: this.#settings, input: this.#input };
    return { kind: 'insert', text: this.#text.slice(0, name.end), format: name.text, rows: 'data', marks };
  }

  #whole(format: { readonly name: Token; readonly word: Token } | undefined): Statement {
    const marks = { format: format?.word.start, settings: this.#settings, input: this.#input };
    const common = { text: this.#text, format: format?.name.text, rows: 'own' as const, marks };
    if (this.#first === '') return { kind: 'empty', ...common };
    if (this.#multiple) return { kind: 'multiple', ...common };
    return { kind: this.#first === 'INSERT' ? 'insert' : 'other', ...common };
  }
}

function* tokensOf(text: string): Generator<Token> {
  let depth = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [token] = match;
    if (COMMENT.test(token)) continue;
    if (token === ')' || token === ']') depth--;
    yield { text: token, start: match.index, end: match.index + token.length, depth };
    if (token === '(' || token === '[') depth++;
  }
}

/**
 * The rows behind the text, handed over as a file: the engine would end inline rows at the first empty line, and take
 * a binary format's first byte for white space.
 */
export function readFromFile(statement: Statement, path: string): string {
  const { text, format = '', marks } = statement;
  if (marks.input !== undefined && marks.format !== undefined) {
    const head = text.slice(0, marks.input.start);
    return `${head}file(${quoted(path)}, ${quoted(format)}, ${text.slice(marks.input.end, marks.format)}`;
  }
  const at = Math.min(marks.settings ?? text.length, marks.format ?? text.length);
  return `${text.slice(0, at)} FROM INFILE ${quoted(path)} ${text.slice(at)}`;
}

/** A string literal of ClickHouse's SQL. */
export function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
