/** Which of the Web Platform Tests there are of fetch, and how each is run: in a window, or in a dedicated worker. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Test {
  /** Of its file, below the tests' folder. */
  path: string;
  kind: "window" | "worker";
  /** The page that runs it. */
  page: string;
}

/** Those that need TLS, HTTP/2 or a service worker, that only must not crash, or that are no tests. */
const LEFT_OUT = /\.(https|h2)\.|serviceworker|sharedworker|service-worker|crashtests|\/resources\/|idlharness/;

function kindsOf(root: string, path: string): Test[] {
  const page = (ending: string, name: string, kind: Test["kind"]): Test => ({ path, kind, page: path.replace(ending, name) });
  if (path.endsWith(".any.js")) {
    const globals = /^\/\/\s*META:\s*global=(.*)$/m.exec(readFileSync(join(root, path), "utf8"))?.[1] ?? "window,worker";
    return [
      ...(/window/.test(globals) ? [page(".any.js", ".any.html", "window")] : []),
      ...(/worker/.test(globals) ? [page(".any.js", ".any.worker.html", "worker")] : []),
    ];
  }
  if (path.endsWith(".window.js")) return [page(".window.js", ".window.html", "window")];
  if (path.endsWith(".worker.js")) return [page(".worker.js", ".worker.html", "worker")];
  if (!path.endsWith(".html") || !readFileSync(join(root, path), "utf8").includes("testharness.js")) return [];
  return [{ path, kind: /worker/.test(path) ? "worker" : "window", page: path }];
}

/** All of a folder, in order. */
export function testsOf(root: string, folder: string): Test[] {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).sort();
  return files
    .map((file) => `${folder}/${file}`)
    .filter((path) => !LEFT_OUT.test(path))
    .flatMap((path) => kindsOf(root, path));
}
