/**
 * The bar at the upper edge of the window: what has changed, and a button.
 *
 * It lies above the page and moves nothing on it: a row that moves under the pointer would be ticked in place of another.
 * Its text is read out politely (`aria-live`), which is why the element is there before its first text.
 */
export interface Bar {
  /** @param button Without one there is no button. */
  show(text: string, button?: { label: string; click: () => void }, details?: Node): void;
  hide(): void;
}

export function createBar(): Bar {
  const bar = document.createElement("div");
  bar.className = "wsrequest-bar";
  bar.toggleAttribute("data-live-ignore", true);
  const status = bar.appendChild(document.createElement("span"));
  status.setAttribute("role", "status");
  status.setAttribute("aria-live", "polite");
  const panel = bar.appendChild(document.createElement("div"));
  const button = bar.appendChild(document.createElement("button"));
  button.type = "button";
  let click = (): void => {};
  button.addEventListener("click", () => click());
  const show: Bar["show"] = (text, action, details) => {
    if (!bar.isConnected) document.body.append(bar);
    if (status.textContent !== text) status.textContent = text;
    button.hidden = !action;
    button.textContent = action?.label ?? "";
    click = action?.click ?? click;
    panel.replaceChildren(...(details ? [details] : []));
    bar.classList.toggle("wsrequest-shown", text !== "");
  };
  const hide = (): void => {
    if (bar.contains(document.activeElement)) (document.activeElement as HTMLElement).blur();
    show("");
  };
  show("");
  return { show, hide };
}
