/**
 * Writes docs/client-types.md: the types that the package exports, with their doc comments.
 *
 * Usage: node types.mjs [--check]
 * With --check, it writes nothing, and fails if the page differs from the source.
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

/** Returns the text of each declaration file, by module. */
function declarationFiles() {
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (fault) => { throw new Error(String(fault.messageText)); } };
  const { fileNames, options } = ts.getParsedCommandLineOfConfigFile(`${HERE}tsconfig.dist.json`, {}, host);
  const texts = new Map();
  ts.createProgram(fileNames, options).emit(undefined, (name, text) => texts.set(name.replace(/.*\/(.*)\.d\.ts$/, "$1"), text), undefined, true);
  return texts;
}

/** Returns the declarations of a module by name: the code, and the code with its comment. */
function declarations(module, text) {
  const source = ts.createSourceFile(`${module}.d.ts`, text, ts.ScriptTarget.ES2022, true);
  const byName = new Map();
  for (const node of source.statements) {
    const name = (node.name ?? node.declarationList?.declarations[0]?.name)?.text;
    if (!name) continue;
    const comment = node.jsDoc?.at(-1);
    const whole = text.slice(comment?.pos ?? node.getStart(), node.end).replace(/^export (declare )?/m, "").replace(/\n *#private;/, "");
    byName.set(name, { code: whole.replace(/\/\*[^]*?\*\//g, ""), whole });
  }
  return byName;
}

const modules = declarationFiles();
const known = new Map();
for (const [module, text] of modules) {
  for (const [name, each] of declarations(module, text)) known.set(name, known.has(name) ? null : each); // null: ambiguous
}

const exported = [...modules.get("index").matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, names]) => names.split(",").map((name) => name.trim()));
const shown = new Set(exported);

/** Returns the declaration of a name, followed by the declarations that it uses and that have no section of their own. */
function block(name) {
  const { code, whole } = known.get(name);
  const used = [...new Set(code.match(/\b[A-Z]\w+/g))].filter((each) => !shown.has(each) && known.get(each));
  used.forEach((each) => shown.add(each));
  return [whole, ...used.map(block)].join("\n\n");
}

const page = [HEAD, ...exported.map((name) => `## ${name}\n\n\`\`\`ts\n${block(name)}\n\`\`\`\n`)].join("\n");
if (!process.argv.includes("--check")) writeFileSync(PAGE, page);
else if (readFileSync(PAGE, "utf8") !== page) {
  console.error("docs/client-types.md differs from client/src: run scripts/client build");
  process.exit(1);
}
