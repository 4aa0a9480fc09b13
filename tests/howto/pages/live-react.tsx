/** A page with the component of docs/howto/live-react.md. */
import { createRoot } from "react-dom/client";
import { Snippets } from "../recipes/live-react/Snippets.js";

export { client } from "../recipes/live-react/api.js";

const root = createRoot(document.getElementById("app")!);

export const show = (): void => root.render(<Snippets />);
export const leave = (): void => root.render(null);
