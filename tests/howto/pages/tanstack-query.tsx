/** A page with the recipe of docs/howto/tanstack-query.md. */
import { QueryClientProvider } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";
import { queries } from "../recipes/tanstack-query/queries.js";
import { Snippets } from "../recipes/tanstack-query/Snippets.js";

export { client } from "../recipes/tanstack-query/api.js";
export { queries };

const root = createRoot(document.getElementById("app")!);

export const show = (page: number): void =>
  root.render(<QueryClientProvider client={queries}><Snippets page={page} /></QueryClientProvider>);
export const leave = (): void => root.render(null);
