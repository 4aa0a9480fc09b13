/** Replaces `window.fetch` for some paths, and restores it. */
import { originOf } from "./origins.js";

export interface FetchPatch {
  /** Replace `window.fetch` for paths of the socket's origin that start with one of `paths`. */
  install(options: { paths: readonly string[] }): void;
  /** Restore `window.fetch`. */
  uninstall(): void;
}

/** Makes the methods that put `ours` in the place of `window.fetch`. Both resolve URLs against `baseUrl`. */
export function patchFetch(ours: typeof globalThis.fetch, baseUrl: string): FetchPatch {
  let original: typeof globalThis.fetch | undefined;

  const uninstall = (): void => {
    globalThis.fetch = original ?? globalThis.fetch;
    original = undefined;
  };

  const install = ({ paths }: { paths: readonly string[] }): void => {
    uninstall();
    const theirs = (original = globalThis.fetch);

    const isOurs = (address: string): boolean => {
      const { origin, pathname } = new URL(address, baseUrl);
      return origin === originOf(baseUrl) && paths.some((path) => pathname.startsWith(path));
    };

    // Like fetch itself, this function never throws: it rejects. It also has fetch's name and length.
    globalThis.fetch = function fetch(input, ...init) {
      if (!arguments.length) return (theirs as () => Promise<Response>)(); // rejects with the browser's own message
      try {
        const target = input instanceof Request ? input : `${input as string}`; // read once: the text may change
        const address = target instanceof Request ? target.url : target;
        return (URL.canParse(address, baseUrl) && isOurs(address) ? ours : theirs)(target, ...init);
      } catch (error) {
        return Promise.reject(error as Error); // for example, from its toString
      }
    };
  };

  return { install, uninstall };
}
