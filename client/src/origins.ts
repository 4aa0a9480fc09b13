/** Origins, and which of them may get the token and the CSRF token. */

export const originOf = (url: string | URL): string => new URL(url).origin;

/** Whether the origin of a URL is trusted. Only a trusted origin gets credentials of the visitor. */
export type IsTrusted = (url: string) => boolean;

export function trustOriginsOf(urls: readonly string[]): IsTrusted {
  const origins = urls.map(originOf);
  return (url) => origins.includes(originOf(url));
}
