/** Takes the place of `window.fetch` for some paths, and gives it back. */
import { originOf } from "./urls.js";

export interface StandIn {
  /** Take the place of `window.fetch` for paths of the socket's origin that begin with one of `paths`. */
  install(of: { paths: readonly string[] }): void;
  uninstall(): void;
}

/** `ours` as what is installed; it has the same `baseUrl`, whose origin is the socket's. */
export function standInBy(ours: typeof globalThis.fetch, baseUrl: string): StandIn {
  let replaced: typeof globalThis.fetch | undefined;

  const uninstall = (): void => {
    globalThis.fetch = replaced ?? globalThis.fetch;
    replaced = undefined;
  };

  const install = ({ paths }: { paths: readonly string[] }): void => {
    uninstall();
    const before = (replaced = globalThis.fetch);

    const isOurs = (address: string): boolean => {
      const { origin, pathname } = new URL(address, baseUrl);
      return origin === originOf(baseUrl) && paths.some((path) => pathname.startsWith(path));
    };

    // A call rejects, whatever is wrong with it: it throws nothing. Its name and length are those of fetch.
    globalThis.fetch = function fetch(input, ...init) {
      if (!arguments.length) return (before as () => Promise<Response>)(); // which says what is missing
      try {
        const given = input instanceof Request ? input : `${input as string}`; // it may be another the next time
        const address = given instanceof Request ? given.url : given;
        return (URL.canParse(address, baseUrl) && isOurs(address) ? ours : before)(given, ...init);
      } catch (error) {
        return Promise.reject(error as Error); // of its toString, say
      }
    };
  };

  return { install, uninstall };
}
