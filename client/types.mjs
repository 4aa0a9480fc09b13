/**
 * Writes docs/client-types.md: what the package exports, as the declarations that a project sees.
 *
 * Usage: node types.mjs [--check]
 * With --check it writes nothing, and fails where the page is not what the sources give.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const PAGE = new URL("../docs/client-types.md", import.meta.url);
const HEAD = `# Client types

These are the types that the npm package exports, and those that they use. [The browser client](client.md) explains them.
\`scripts/client build\` writes this page from \`client/src\`.
`;

/** The text of each declaration file, by the name of its module. */
function declared() {
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (fault) => { throw new Error(String(fault.messageText)); } };
  const { fileNames, options } = ts.getParsedCommandLineOfConfigFile(`${HERE}tsconfig.dist.json`, {}, host);
  const texts = new Map();
  ts.createProgram(fileNames, options).emit(undefined, (name, text) => texts.set(name.replace(/.*\/(.*)\.d\.ts$/, "$1"), text), undefined, true);
  return texts;
}

/** The declarations of a module by name: the code, and the code with its comment. */
function declarations(module, text) {
  const source = ts.createSourceFile(`${module}.d.ts`, text, ts.ScriptTarget.ES2022, true);
  const found = new Map();
  for (const node of source.statements) {
    const name = (node.name ?? node.declarationList?.declarations[0]?.name)?.text;
    if (!name) continue;
    const comment = node.jsDoc?.at(-1);
    const whole = text.slice(comment?.pos ?? node.getStart(), node.end).replace(/^export (declare )?/m, "").replace(/\n *#private;/, "");
    found.set(name, { code: whole.replace(/\/\*[^]*?\*\//g, ""), whole });
  }
  return found;
}

const modules = declared();
const known = new Map();
for (const [module, text] of modules) {
  for (const [name, each] of declarations(module, text)) known.set(name, known.has(name) ? null : each); // null: which one?
}

const exported = [...modules.get("index").matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, names]) => names.split(",").map((name) => name.trim()));
const shown = new Set(exported);

/** The declaration of a name, followed by those that it uses and no section of their own have. */
function block(name) {
  const { code, whole } = known.get(name);
  const used = [...new Set(code.match(/\b[A-Z]\w+/g))].filter((each) => !shown.has(each) && known.get(each));
  used.forEach((each) => shown.add(each));
  return [whole, ...used.map(block)].join("\n\n");
}

const page = [HEAD, ...exported.map((name) => `## ${name}\n\n\`\`\`ts\n${block(name)}\n\`\`\`\n`)].join("\n");
if (!process.argv.includes("--check")) writeFileSync(PAGE, page);
else if (readFileSync(PAGE, "utf8") !== page) {
  console.error("docs/client-types.md is not what client/src gives: run scripts/client build");
  process.exit(1);
}
