/** A page with the component of docs/howto/push-react.md. */
import { createRoot } from "react-dom/client";
import { Together } from "../recipes/push-react/Together.js";

export { client } from "../recipes/push-react/api.js";

const root = createRoot(document.getElementById("app")!);

export const show = (id: number): void => root.render(<Together id={id} />);
export const leave = (): void => root.render(null);
