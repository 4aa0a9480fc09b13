/** What the parts of fetch ask of URLs and methods. */

export const originOf = (url: string | URL): string => new URL(url).origin;

/** Whether a URL is of the origin of one of `trusted`: only those get what proves who the visitor is. */
export type Trusts = (url: string) => boolean;

export function trusting(trusted: readonly string[]): Trusts {
  const origins = trusted.map(originOf);
  return (url) => origins.includes(originOf(url));
}

/** Whether a request of this method can have no body. */
export const isGet = (method: string): boolean => method === "GET" || method === "HEAD";
