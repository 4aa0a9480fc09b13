/** Forms that a script sends: once a request has succeeded, the server is right about the fields that it took with it. */
import type { Client } from "../client.js";

/** Called once a form's request has succeeded, with the response if the client has it. */
export type Succeed = (response?: Response) => Promise<unknown> | void;

/** How soon after its `submit` event a form's request starts. */
const START_MS = 1000;
const SAFE = /^(GET|HEAD|OPTIONS)$/i;

/**
 * Watches the forms of a document.
 *
 * @param sending - notes what a form sends, and returns the function to call once that has succeeded
 */
export function watchForms(client: Client, sending: (form: HTMLFormElement) => Succeed): void {
  const sent = new WeakMap<Element, Succeed>();
  let submitted: { succeed: Succeed; at: number } | undefined;
  const { fetch } = client;

  document.addEventListener(
    "submit",
    ({ target }) => {
      const succeed = sending(target as HTMLFormElement);
      sent.set(target as Element, succeed);
      submitted = { succeed, at: performance.now() };
    },
    true,
  );

  Object.assign(client, {
    fetch: async (...[input, init]: Parameters<typeof fetch>) => {
      const method = init?.method ?? (input instanceof Request ? input.method : "GET");
      const form = !SAFE.test(method) && submitted && performance.now() - submitted.at < START_MS ? submitted : undefined;
      if (form) submitted = undefined;
      const response = await fetch(input, init);
      if (response.ok) await form?.succeed(response);
      return response;
    },
  });

  // What htmx and Turbo send does not go through the client.
  const done = (event: Event): void => {
    const { successful, success } = (event as CustomEvent<{ successful?: boolean; success?: boolean }>).detail;
    const form = (event.target as Element).closest("form");
    if (form && (successful ?? success)) void sent.get(form)?.();
  };
  for (const type of ["htmx:afterRequest", "turbo:submit-end"]) document.addEventListener(type, done);
}
