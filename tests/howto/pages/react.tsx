/** A page with the recipe of docs/howto/react.md: its component, or what its hook gives for an address. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Snippets } from "../recipes/react/Snippets.js";
import { useApi } from "../recipes/react/useApi.js";

export { api, client, json } from "../recipes/react/api.js";

const root = createRoot(document.getElementById("app")!);

function Probe({ url }: { url: string }) {
  const { data, error } = useApi(url);
  return <output>{JSON.stringify({ data, error: error && { status: error.status, data: error.data as unknown } })}</output>;
}

export const show = (): void => root.render(<Snippets />);
export const showStrictly = (): void => root.render(<StrictMode><Snippets /></StrictMode>);
export const probe = (url: string): void => root.render(<Probe url={url} />);
export const leave = (): void => root.render(null);
