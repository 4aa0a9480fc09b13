/** A request written by hand, to any URL of the project. */
import { byId, msText } from "./dom.js";
import { clearErrors, showError } from "./forms.js";

/** Wires the form. */
export function wireExplorer(api) {
  const form = byId("explorer");
  const { method, url, body } = form.elements;
  const output = byId("explorer-answer");
  const hasBody = () => !["GET", "HEAD", "OPTIONS", "DELETE"].includes(method.value);
  const showBody = () => (byId("explorer-body").hidden = !hasBody());
  method.addEventListener("change", showBody);
  showBody();
  for (const example of form.querySelectorAll("[data-url]")) {
    example.addEventListener("click", () => {
      method.value = "GET";
      url.value = example.dataset.url;
      showBody();
      form.requestSubmit();
    });
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearErrors(form);
    output.hidden = true;
    try {
      const data = hasBody() && body.value.trim() ? JSON.parse(body.value) : undefined;
      const answer = await api.call(method.value, url.value, data);
      const text = typeof answer.data === "string" ? answer.data : JSON.stringify(answer.data, null, 2);
      const way = { socket: "WebSocket", http: "HTTP" }[answer.way];
      output.textContent = `${answer.status} by ${way} in ${msText(answer.ms)}\n\n${text || "(no body)"}`;
      output.hidden = false;
    } catch (error) {
      showError(form, error.message);
    }
  });
}
