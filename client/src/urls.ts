/** What the parts of fetch ask of URLs and methods. */

export const originOf = (url: string | URL): string => new URL(url).origin;

/** Whether a request of this method can have no body. */
export const isGet = (method: string): boolean => /^(GET|HEAD)$/.test(method);
