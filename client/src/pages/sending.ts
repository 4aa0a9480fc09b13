/** Forms that a script sends: once a request has succeeded, the server is right about the fields that it took with it. */
import type { Client } from "../client.js";

/** How soon after its `submit` event a form's request starts. */
const START_MS = 1000;
const SAFE = /^(GET|HEAD|OPTIONS)$/i;

/**
 * Watches the forms of a document.
 *
 * @param sending - notes what a form sends, and returns the function to call once that has succeeded
 */
export function watchForms(client: Client, sending: (form: HTMLFormElement) => () => void): void {
  const sent = new WeakMap<Element, () => void>();
  let submitted: { succeed: () => void; at: number } | undefined;
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
    fetch: async (...call: Parameters<typeof fetch>) => {
      const [input, init] = call;
      const method = init?.method ?? (input instanceof Request ? input.method : "GET");
      const form = !SAFE.test(method) && submitted && performance.now() - submitted.at < START_MS ? submitted : undefined;
      if (form) submitted = undefined;
      const response = await fetch(...call);
      if (response.ok) form?.succeed();
      return response;
    },
  });

  // What htmx and Turbo send does not go through the client.
  const done = (event: Event): void => {
    const { successful, success } = (event as CustomEvent<{ successful?: boolean; success?: boolean }>).detail;
    const form = (event.target as Element).closest("form");
    if (form && (successful ?? success)) sent.get(form)?.();
  };
  for (const type of ["htmx:afterRequest", "turbo:submit-end"]) document.addEventListener(type, done);
}
