// Finds the titles of tests in the tree without running them, by parsing each test/**/*.test.ts: the first argument of `test(…)` and
// `t.test(…)`, be it a string, a concatenation, or a template whose holes may stand for anything. A control's number anywhere else in a
// string of a test file is an error: it would look like a proof and be none.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

export interface TestTitle {
  /** From the root of the repository, with forward slashes. */
  readonly file: string
  readonly line: number
  /** As it stands in the source, with … for each hole of a template. */
  readonly title: string
  /** Control numbers in brackets at the end of the title, such as C4. */
  readonly tags: readonly string[]
  /** The fixed pieces around the holes; one piece: a plain title. */
  readonly pieces: readonly string[]
}

export interface Scan {
  readonly titles: readonly TestTitle[]
  /** Tags in strings that are no title of a test: `file:line: …`. */
  readonly strays: readonly string[]
}

const tagsAtEnd = /((?:\s*\[C\d+\])+)\s*$/
const tag = /\[(C\d+)\]/g

/** Scans the test files below `root`/test. */
export function scanTree (root: string): Scan {
  const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts')).map((name) => join('test', name).replaceAll('\\', '/')).sort()
  const scans = files.map((file) => scanSource(file, readFileSync(join(root, file), 'utf8')))
  return { titles: scans.flatMap(({ titles }) => titles), strays: scans.flatMap(({ strays }) => strays) }
}

/** Scans the text of one test file. */
export function scanSource (file: string, text: string): Scan {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const titles: TestTitle[] = []
  const strays: string[] = []
  const lineOf = (node: ts.Node) => source.getLineAndCharacterOfPosition(node.getStart()).line + 1
  const visit = (node: ts.Node): void => {
    const argument = titleArgument(node)
    const pieces = argument === null ? null : piecesOf(argument)
    if (argument !== null && pieces !== null) {
      const found = titleFrom(file, lineOf(argument), pieces)
      titles.push(found)
      if ((found.title.match(tag)?.length ?? 0) > found.tags.length) strays.push(`${file}:${found.line}: a control's number stands in a title, but not at its end`)
    }
    // the title itself is not looked into: what it says is known
    for (const child of childrenOf(node)) if (child !== argument || pieces === null) visit(child)
    if (isText(node) && node.text.match(tag) !== null) {
      strays.push(`${file}:${lineOf(node)}: ${node.text.match(tag)?.join(' ')} stands in a string that is not the title of a test`)
    }
  }
  visit(source)
  return { titles, strays }
}

function childrenOf (node: ts.Node): ts.Node[] {
  const children: ts.Node[] = []
  node.forEachChild((child) => { children.push(child) })
  return children
}

/** The first argument of `test(…)`, `t.test(…)`, `test.skip(…)` and the like; null for any other node. */
function titleArgument (node: ts.Node): ts.Expression | null {
  if (!ts.isCallExpression(node)) return null
  const { expression } = node
  const isTest = ts.isIdentifier(expression)
    ? expression.text === 'test'
    : ts.isPropertyAccessExpression(expression) && testNames.has(expression.name.text) && !ts.isRegularExpressionLiteral(expression.expression)
  return isTest ? node.arguments[0] ?? null : null
}

const testNames = new Set(['test', 'skip', 'todo', 'only'])

/** The fixed pieces of a title; null for what is no text at all (a variable, a regular expression's subject). */
function piecesOf (node: ts.Expression): string[] | null {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return [node.text]
  if (ts.isTemplateExpression(node)) return [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)]
  if (!ts.isBinaryExpression(node) || node.operatorToken.kind !== ts.SyntaxKind.PlusToken) return null
  const [left, right] = [piecesOf(node.left) ?? ['', ''], piecesOf(node.right) ?? ['', '']]
  return [...left.slice(0, -1), `${left.at(-1)}${right[0]}`, ...right.slice(1)]
}

function isText (node: ts.Node): node is ts.StringLiteral | ts.NoSubstitutionTemplateLiteral | ts.TemplateHead | ts.TemplateMiddle | ts.TemplateTail {
  return ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node) || ts.isTemplateHead(node) || ts.isTemplateMiddle(node) || ts.isTemplateTail(node)
}

function titleFrom (file: string, line: number, pieces: readonly string[]): TestTitle {
  const title = pieces.join('…')
  const tags = [...(tagsAtEnd.exec(title)?.[1] ?? '').matchAll(tag)].map(([, id = '']) => id)
  return { file, line, title, tags, pieces }
}

/** Does a title that was printed when the test ran come from this one? */
export function isTitled (title: TestTitle, printed: string): boolean {
  const pattern = title.pieces.map((piece) => piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^]*')
  return new RegExp(`^${pattern}$`).test(printed)
}
