/** Takes the place of `window.fetch` for some paths, and gives it back. */
import { originOf } from "./urls.js";

export interface StandIn {
  /** Take the place of `window.fetch` for paths of the socket's origin that begin with one of `paths`. */
  install(of: { paths: readonly string[] }): void;
  uninstall(): void;
}

/** `fetch` as what is installed; it has the same `baseUrl`, whose origin is the socket's. */
export function standInBy(fetch: typeof globalThis.fetch, baseUrl: string): StandIn {
  let replaced: typeof globalThis.fetch | undefined;

  const uninstall = (): void => {
    globalThis.fetch = replaced ?? globalThis.fetch;
    replaced = undefined;
  };

  const install = ({ paths }: { paths: readonly string[] }): void => {
    uninstall();
    const before = (replaced = globalThis.fetch);
    globalThis.fetch = (input, init) => {
      const { origin, pathname } = new URL(input instanceof Request ? input.url : input, baseUrl);
      const isOurs = origin === originOf(baseUrl) && paths.some((path) => pathname.startsWith(path));
      return (isOurs ? fetch : before)(input, init);
    };
  };

  return { install, uninstall };
}
