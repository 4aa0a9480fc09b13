/**
 * The morph of live pages, on HTML without a server: what stays, what follows, and which row is which.
 *
 * Each page is drawn from `served`, changed as its user or its scripts would, and brought to `next`.
 *
 * Long by its cases: each thing that a user or a script may have done to a page, before a version that changes it.
 */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { beforeAll, expect, test } from "vitest";
import type { Page } from "playwright-core";
import type { Morph, MorphHooks } from "../../client/src/pages/morph.js";
import { useBrowser } from "./visits.js";

declare global {
  // eslint-disable-next-line no-var
  var morphing: { createMorph(root: Element, served: string | Node, hooks?: MorphHooks): Morph };
  // eslint-disable-next-line no-var
  var morph: Morph;
  interface Window {
    /** What the page's scripts note. */
    notes: string[];
  }
}

const visit = useBrowser({ autoplays: true });
let code: string;
beforeAll(async () => {
  const entry = fileURLToPath(new URL("../../client/src/pages/morph.ts", import.meta.url));
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "iife", globalName: "morphing", target: "es2022", write: false });
  code = `${outputFiles[0]!.text}; globalThis.morphing = morphing`;
});

/** A document as Django renders it. */
const html = (body: string, { head = "<title>Notes</title>", attributes = "" } = {}): string =>
  `<!doctype html><html lang="en"${attributes}><head>${head}</head><body>${body}</body></html>`;

/** Opens a page that was served, with a morph of it. `before` runs after the morph was made. */
async function open(body: string, options: Parameters<typeof html>[1] = {}): Promise<Page> {
  const { page } = await visit("about:blank");
  await page.route("http://page.test/served", (route) => route.fulfill({ contentType: "text/html", body: html(body, options) }));
  await page.goto("http://page.test/served");
  await page.evaluate(code);
  await page.evaluate(`globalThis.morph = morphing.createMorph(document.documentElement, document.documentElement)`);
  return page;
}
const apply = (page: Page, body: string, options: Parameters<typeof html>[1] = {}): Promise<boolean> =>
  page.evaluate((next) => morph.apply(next), html(body, options));
const bodyOf = (page: Page): Promise<string> => page.evaluate(() => document.body.innerHTML.replace(/\s+/g, " ").trim());

test("a changed row is drawn, and nothing where nothing differs", async () => {
  const rows = (...names: string[]): string => `<ul>\n${names.map((name) => `  <li>${name}</li>\n`).join("")}</ul>`;
  const page = await open(rows("one", "two", "three"));
  expect(await apply(page, rows("one", "two", "three"))).toBe(false);
  await page.evaluate(() => {
    window.notes = [];
    new MutationObserver((records) => window.notes.push(...records.map(({ type }) => type))).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  });
  expect(await apply(page, rows("one", "2", "three"))).toBe(true);
  expect(await bodyOf(page)).toBe("<ul> <li>one</li> <li>2</li> <li>three</li> </ul>");
  expect(await apply(page, rows("zero", "one", "2", "three"))).toBe(true);
  expect(await bodyOf(page)).toBe("<ul> <li>zero</li> <li>one</li> <li>2</li> <li>three</li> </ul>");
  expect(await apply(page, rows("three", "zero", "2"))).toBe(true);
  expect(await bodyOf(page)).toBe("<ul> <li>three</li> <li>zero</li> <li>2</li> </ul>");
});

// What the user entered.

const form = (rows: string, fields: string): string => `<ul>${rows}</ul><form id=f>${fields}</form>`;

test("typed text stays, focused or not, with its caret, and follows the server where nobody typed (P1)", async () => {
  const fields = (value: string): string =>
    `<input id=left value="${value}"><input id=focused value="${value}"><input id=free value="${value}"><input id=mail type=email value="${value}"><textarea id=area>${value}</textarea><textarea id=area2>${value}</textarea>`;
  const page = await open(form("<li>1</li>", fields("old")));
  await page.fill("#left", "mine");
  await page.fill("#area", "my text");
  await page.fill("#mail", "me@x");
  await page.fill("#focused", "hello");
  await page.evaluate(() => (document.getElementById("focused") as HTMLInputElement).setSelectionRange(1, 3));
  const values = (): Promise<unknown> =>
    page.evaluate(() => [
      ...[...document.querySelectorAll<HTMLInputElement>("input,textarea")].map(({ value }) => value),
      document.activeElement!.id,
      (document.activeElement as HTMLInputElement).selectionStart,
      (document.activeElement as HTMLInputElement).selectionEnd,
    ]);
  await apply(page, form("<li>2</li>", fields("old")));
  expect(await values()).toEqual(["mine", "hello", "old", "me@x", "my text", "old", "focused", 1, 3]);
  await apply(page, form("<li>3</li>", fields("new")));
  expect(await values()).toEqual(["mine", "hello", "new", "me@x", "my text", "new", "focused", 1, 3]);
  await page.evaluate(() => document.querySelector("form")!.reset());
  expect(await values()).toEqual(["new", "new", "new", "new", "new", "new", "focused", expect.any(Number), expect.any(Number)]);
});

test("a form that was sent takes the server's values, except for what was typed since (P2, P3)", async () => {
  const fields = "<input name=a><input name=b><input type=checkbox name=c><select name=d><option>1<option>2</select><input type=file name=e>";
  const page = await open(form("", fields));
  await page.fill("[name=a]", "sent");
  await page.fill("[name=b]", "sent");
  await page.check("[name=c]");
  await page.selectOption("[name=d]", "2");
  await page.evaluate(() => morph.release(document.querySelector("form")!));
  await page.fill("[name=b]", "typed since");
  const values = (): Promise<unknown> =>
    page.evaluate(() => [...document.querySelectorAll<HTMLInputElement>("input:not([type=file]),select")].map((each) => (each.type === "checkbox" ? each.checked : each.value)));
  expect(await values()).toEqual(["sent", "typed since", true, "2"]);
  await apply(page, form("<li>sent</li>", fields));
  expect(await values()).toEqual(["", "typed since", false, "1"]);
  await apply(page, form("<li>sent</li><li>other</li>", fields));
  expect(await values()).toEqual(["", "typed since", false, "1"]);
});

test("boxes, radio buttons and options of an unsent form stay, and follow the server elsewhere (P4)", async () => {
  const fields = (by: "one" | "two"): string => {
    const [first, second] = by === "one" ? ["checked", ""] : ["", "checked"];
    const [option, other] = by === "one" ? ["selected", ""] : ["", "selected"];
    const options = `<option ${option}>one<option ${other}>two<option>three`;
    return ["mine", "free"]
      .map((name) => `<input type=radio name=${name} value=one ${first}><input type=radio name=${name} value=two ${second}><input type=radio name=${name} value=three>
        <input type=checkbox name=box-${name} ${second}><select name=select-${name}>${options}</select><select multiple name=many-${name}>${options}</select>`)
      .join("");
  };
  const page = await open(form("", fields("one")));
  await page.check("[name=mine][value=three]");
  await page.check("[name=box-mine]");
  await page.uncheck("[name=box-mine]");
  await page.check("[name=box-mine]");
  await page.selectOption("[name=select-mine]", "three");
  await page.selectOption("[name=many-mine]", ["one", "three"]);
  await apply(page, form("", fields("two")));
  const data = await page.evaluate(() => [...new FormData(document.querySelector("form")!)].map((pair) => pair.join("=")));
  expect(data).toEqual([
    ...["mine=three", "box-mine=on", "select-mine=three", "many-mine=one", "many-mine=three"],
    ...["free=two", "box-free=on", "select-free=two", "many-free=two"],
  ]);
});

test("a chosen file stays (P24)", async () => {
  const page = await open(form("<li>1</li>", '<label>File<input type=file name=a class=x></label>'));
  await page.setInputFiles("input", { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("content") });
  await apply(page, form("<li>2</li>", '<label>A file<input type=file name=a class="x y" required></label>'));
  expect(await page.evaluate(() => [...document.querySelector("input")!.files!].map(({ name }) => name))).toEqual(["a.txt"]);
  expect(await page.getAttribute("input", "class")).toBe("x y");
});

test("a field of a browser's own value is not taken for an entry", async () => {
  const fields = "<input type=color><input type=range><input type=date value=word><input type=number value=word>";
  const page = await open(`<div><p>${fields}</p></div>`);
  await apply(page, "<div></div>");
  expect(await bodyOf(page)).toBe("<div></div>");
});

test("what holds an unsent entry is not removed before it is sent or reset", async () => {
  const row = (name: string): string => `<li id=${name}>${name} <input name=${name}></li>`;
  const page = await open(`<form><ul>${row("one")}${row("two")}${row("three")}</ul></form>`);
  await page.fill("[name=two]", "typed");
  await apply(page, `<form><ul>${row("three")}${row("four")}</ul></form>`);
  const ids = (): Promise<string[]> => page.evaluate(() => [...document.querySelectorAll("li")].map(({ id }) => id));
  expect((await ids()).sort()).toEqual(["four", "three", "two"]);
  expect(await page.inputValue("[name=two]")).toBe("typed");
  await page.evaluate(() => document.querySelector("form")!.reset());
  await apply(page, `<form><ul>${row("three")}${row("four")}</ul></form>`);
  expect(await ids()).toEqual(["three", "four"]);
});

test("an edited text of contenteditable stays, and an untouched one follows", async () => {
  const body = (text: string): string => `<div id=a contenteditable><p>${text}</p></div><div id=b contenteditable><p>${text}</p></div>`;
  const page = await open(body("old"));
  await page.click("#a p");
  await page.keyboard.press("End");
  await page.keyboard.type(" and mine");
  await apply(page, body("new"));
  expect(await page.evaluate(() => [document.getElementById("a")!.textContent, document.getElementById("b")!.textContent])).toEqual(["old and mine", "new"]);
});

test("an open input-method composition goes on (P6)", async () => {
  const page = await open("<ul><li id=a>1 <input></li><li id=b>2</li></ul>");
  await page.focus("input");
  const session = await page.context().newCDPSession(page);
  await session.send("Input.imeSetComposition", { text: "に", selectionStart: 1, selectionEnd: 1 });
  await page.evaluate(() => {
    window.notes = [];
    for (const type of ["compositionend", "blur"]) document.querySelector("input")!.addEventListener(type, () => window.notes.push(type));
  });
  await apply(page, "<ul><li id=c>0</li><li id=b>2</li><li id=a>one <input class=x></li></ul>");
  expect(await page.evaluate(() => window.notes)).toEqual([]);
  await session.send("Input.imeSetComposition", { text: "にほ", selectionStart: 2, selectionEnd: 2 });
  await session.send("Input.insertText", { text: "日本" });
  expect(await page.inputValue("input")).toBe("日本");
  expect(await page.evaluate(() => [...document.querySelectorAll("li")].map(({ id }) => id))).toEqual(["c", "b", "a"]);
});

test("the focused element is never moved, but the others around it (P6)", async () => {
  const page = await open("<ul><li id=a>1</li><li id=b>2</li><li id=c>3</li><li id=d><input type=email></li></ul>");
  await page.fill("input", "someone@example.com");
  await page.evaluate(() => {
    window.notes = [];
    delete (Element.prototype as { moveBefore?: unknown }).moveBefore; // as in a browser without it
    for (const type of ["focus", "blur"]) document.querySelector("input")!.addEventListener(type, () => window.notes.push(type));
  });
  await apply(page, "<ul><li id=d><input type=email></li><li id=a>1</li><li id=b>2</li><li id=c>3</li></ul>");
  expect(await page.evaluate(() => [...document.querySelectorAll("li")].map(({ id }) => id))).toEqual(["d", "a", "b", "c"]);
  expect(await page.evaluate(() => [window.notes, document.activeElement!.localName])).toEqual([[], "input"]);
});

test("autofocus in a new version takes no focus, and one in a dialog works when it opens (P5)", async () => {
  const page = await open("<p>1</p>");
  await apply(page, "<p>2</p><input id=new autofocus><dialog><button>x</button><input id=inside autofocus></dialog>");
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  expect(await page.evaluate(() => document.activeElement!.localName)).toBe("body");
  await page.evaluate(() => document.querySelector("dialog")!.showModal());
  expect(await page.evaluate(() => document.activeElement!.id)).toBe("inside");
});

test("a selected text stays selected when another part of it changes", async () => {
  const page = await open("<p>There are 3 open tasks for you</p>");
  await page.evaluate(() => {
    const text = document.querySelector("p")!.firstChild!;
    getSelection()!.setBaseAndExtent(text, 12, text, 22);
  });
  await apply(page, "<p>There are 14 open tasks for you</p>");
  expect(await page.evaluate(() => String(getSelection()))).toBe("open tasks");
});

// What the user opened, and what scripts changed.

test("opened details, dialogs, menus and popovers stay, and a modal dialog leaves no inert page (P7)", async () => {
  const body = (text: string): string =>
    `<p>${text}</p><details><summary>${text}</summary></details><dialog>${text}</dialog><div id=menu hidden>${text}</div><div id=pop popover>${text}</div><button>b</button>`;
  const page = await open(body("1"));
  await page.evaluate(() => {
    document.querySelector("details")!.open = true;
    document.getElementById("menu")!.hidden = false;
    document.querySelector("dialog")!.showModal();
    document.getElementById("pop")!.showPopover();
  });
  await apply(page, body("2"));
  const state = (): Promise<unknown> =>
    page.evaluate(() => [
      document.querySelector("details")!.open,
      document.getElementById("menu")!.hidden,
      document.querySelector("dialog")!.matches(":modal"),
      document.getElementById("pop")!.matches(":popover-open"),
      document.querySelector("dialog")!.textContent,
    ]);
  expect(await state()).toEqual([true, false, true, true, "2"]);
  // The server's own markup closes what it opened.
  const opened = body("3").replace("<details>", "<details open>").replace("<dialog>", "<dialog open>");
  await apply(page, opened);
  await apply(page, body("4"));
  expect(await state()).toEqual([false, false, false, true, "4"]);
  await page.evaluate(() => document.getElementById("pop")!.hidePopover());
  await page.click("button", { timeout: 5000 });
});

test("what a script added stays: elements, attributes, classes and properties (P8, P9, P10)", async () => {
  const body = (text: string, attributes = ""): string => `<div id=widget class="card" data-count=1 ${attributes}><p>${text}</p></div>`;
  const page = await open(body("1"));
  await page.evaluate(() => {
    const widget = document.getElementById("widget")!;
    widget.append(Object.assign(document.createElement("span"), { textContent: "of a script" }));
    widget.prepend(Object.assign(document.createElement("b"), { textContent: "first" }));
    widget.classList.add("is-open");
    widget.dataset["count"] = "7";
    widget.setAttribute("aria-expanded", "true");
    widget.style.width = "70px";
    Object.assign(widget, { mine: 1 });
  });
  await apply(page, body("2", "title=new"));
  expect(await bodyOf(page)).toBe(
    '<div id="widget" class="card is-open" data-count="7" aria-expanded="true" style="width: 70px;" title="new"><b>first</b><p>2</p><span>of a script</span></div>',
  );
  await apply(page, body("2").replace("card", "card new").replace("data-count=1", "data-count=2"));
  expect(await page.evaluate(() => [document.getElementById("widget")!.className, document.getElementById("widget")!.dataset["count"], (document.getElementById("widget") as unknown as { mine: number }).mine])).toEqual(["card is-open new", "2", 1]);
});

test("data-live-ignore leaves a subtree alone, or its children only (P8)", async () => {
  const body = (text: string, title: string): string =>
    `<div id=a data-live-ignore title=${title}><p>${text}</p></div><div id=b data-live-ignore=children title=${title}><p>${text}</p></div><div id=c title=${title}>${text}</div>`;
  const page = await open(body("1", "one"));
  await page.evaluate(() => document.querySelectorAll("p").forEach((each) => (each.innerHTML = "<i>chart</i>")));
  await apply(page, body("2", "two").replaceAll("</p>", "</p><i>new</i>"));
  expect(await bodyOf(page)).toBe(
    '<div id="a" data-live-ignore="" title="one"><p><i>chart</i></p></div><div id="b" data-live-ignore="children" title="two"><p><i>chart</i></p></div><div id="c" title="two">2</div>',
  );
});

test("a script's element that the server now sends is not there twice", async () => {
  const page = await open("<ul><li id=a>a</li></ul>");
  await page.evaluate(() => document.querySelector("ul")!.insertAdjacentHTML("beforeend", "<li>mine</li><li id=b>soon <b>b</b></li>"));
  await page.evaluate(() => Object.assign(globalThis, { mine: document.querySelectorAll("li")[1] }));
  await apply(page, "<ul><li id=a>a</li><li>mine</li><li id=b>b</li></ul>");
  expect(await bodyOf(page)).toBe('<ul><li id="a">a</li><li>mine</li><li id="b">b</li></ul>');
  expect(await page.evaluate(() => (globalThis as unknown as { mine: Element }).mine === document.querySelectorAll("li")[1])).toBe(true);
  await apply(page, "<ul><li id=a>a</li><li id=b>b</li></ul>");
  expect(await bodyOf(page)).toBe('<ul><li id="a">a</li><li id="b">b</li></ul>');
});

test("a list that the user extended keeps its tail (P11)", async () => {
  const row = (number: number): string => `<li>row ${number}</li>\n`;
  const list = (numbers: number[]): string => `<ul data-live-keep>\n${numbers.map(row).join("")}</ul>`;
  const page = await open(list([9, 8, 7, 6]));
  await page.evaluate((more) => document.querySelector("ul")!.insertAdjacentHTML("beforeend", more), row(5) + row(4) + row(3));
  const shown = (): Promise<string> => page.evaluate(() => [...document.querySelectorAll("li")].map(({ textContent }) => textContent!.slice(4)).join(" "));
  await apply(page, list([10, 9, 8, 7])); // 6 is on the second page now
  expect(await shown()).toBe("10 9 8 7 6 5 4 3");
  await apply(page, list([12, 11, 10, 9]));
  expect(await shown()).toBe("12 11 10 9 8 7 6 5 4 3");
  await apply(page, list([12, 10, 9, 8])); // 11 was deleted
  expect(await shown()).toBe("12 10 9 8 7 6 5 4 3");
  await apply(page, list([12, 10, 9, 7])); // and 8, the last one
  expect(await shown()).toBe("12 10 9 7 6 5 4 3");
});

test("custom elements are not made anew, and what they rendered stays", async () => {
  const define = `<script>window.notes = [];
    customElements.define("x-own", class extends HTMLElement {
      connectedCallback() { notes.push("own"); this.innerHTML = "<b>rendered</b>"; }
      disconnectedCallback() { notes.push("own gone"); }
    });
    customElements.define("x-slot", class extends HTMLElement {
      constructor() { super(); notes.push("slot"); this.attachShadow({ mode: "open" }).innerHTML = "<slot></slot>"; }
    });
    customElements.define("x-card", class extends HTMLElement {
      connectedCallback() { this.insertAdjacentHTML("beforeend", "<i>tool</i>"); }
    });
  </script>`;
  const body = (text: string): string => `<x-own>${text}</x-own><x-slot>${text}</x-slot><x-card><p>${text}</p></x-card><p>${text}</p>${define}`;
  const page = await open(body("1"));
  for (const text of ["2", "3"]) {
    await apply(page, body(text));
    expect((await bodyOf(page)).replace(/<script[^]*script>/, "")).toBe(
      `<x-own><b>rendered</b></x-own><x-slot>${text}</x-slot><x-card><p>${text}</p><i>tool</i></x-card><p>${text}</p>`,
    );
  }
  expect(await page.evaluate(() => window.notes)).toEqual(["own", "slot"]);
  await apply(page, `<x-slot>new</x-slot>${body("3")}`);
  expect(await page.evaluate(() => window.notes)).toEqual(["own", "slot", "slot"]);
});

test("scroll, playing animations, frames and canvases go on", async () => {
  const body = (text: string): string => `<h1>${text}</h1><div id=box style="height:50px;overflow:auto"><p style="height:900px">${text}</p></div>
    <iframe srcdoc="<p>frame</p>"></iframe><canvas id=c width=10 height=10></canvas><p style="height:3000px">${text}</p>`;
  const page = await open(body("1"));
  await page.evaluate(() => {
    document.getElementById("box")!.scrollTop = 200;
    scrollTo(0, 300);
    document.querySelector("canvas")!.getContext("2d")!.fillRect(0, 0, 5, 5);
    (document.querySelector("iframe")!.contentWindow as unknown as { mine: number }).mine = 1;
    document.querySelector("h1")!.animate([{ opacity: 0 }, { opacity: 1 }], 100_000);
  });
  await apply(page, body("2"));
  expect(
    await page.evaluate(() => [
      document.getElementById("box")!.scrollTop,
      scrollY,
      document.querySelector("canvas")!.getContext("2d")!.getImageData(1, 1, 1, 1).data[3],
      (document.querySelector("iframe")!.contentWindow as unknown as { mine: number }).mine,
      document.querySelector("h1")!.getAnimations().length,
    ]),
  ).toEqual([200, 300, 255, 1, 1]);
});

test("playing media goes on, also in a row that moves", async () => {
  const player = `<audio loop></audio><video muted></video>`;
  const row = (id: string): string => `<li id=${id}>${id} ${player}</li>`;
  const body = (...ids: string[]): string => `<h1>${ids.length}</h1><ul>${ids.map(row).join("")}</ul>`;
  const page = await open(body("a", "b", "c"));
  await page.evaluate(async () => {
    const samples = new Uint8Array(44 + 8000).fill(128); // a second of silence
    const view = new DataView(samples.buffer);
    const write = (at: number, ...values: (string | number)[]): void => {
      for (const value of values) {
        if (typeof value === "string") for (const letter of value) view.setUint8(at++, letter.charCodeAt(0));
        else view.setUint32(at, value, true), (at += 4);
      }
    };
    write(0, "RIFF", 36 + 8000, "WAVEfmt ", 16, 1 | (1 << 16), 8000, 8000, 1 | (8 << 16), "data", 8000);
    const url = URL.createObjectURL(new Blob([samples], { type: "audio/wav" }));
    for (const audio of document.querySelectorAll("audio")) audio.src = url;
    const canvas = document.createElement("canvas");
    setInterval(() => canvas.getContext("2d")!.fillRect(0, 0, Math.random() * 9, 9), 20);
    for (const video of document.querySelectorAll("video")) video.srcObject = canvas.captureStream();
    await Promise.all([...document.querySelectorAll<HTMLMediaElement>("audio, video")].map((media) => media.play()));
    for (const type of ["pause", "emptied"]) document.addEventListener(type, ({ target }) => (window.notes ??= []).push(`${(target as Element).localName} ${type}`), true);
  });
  await apply(page, body("c", "a", "new", "b"));
  const times = (): Promise<number[]> => page.evaluate(() => [...document.querySelectorAll<HTMLMediaElement>("li:not(#new) > *")].map(({ currentTime }) => currentTime));
  const before = await times();
  await page.waitForFunction((before) => [...document.querySelectorAll<HTMLMediaElement>("li:not(#new) > *")].every(({ currentTime }, index) => currentTime !== before[index]), before);
  expect(await page.evaluate(() => [...document.querySelectorAll<HTMLMediaElement>("li:not(#new) > *")].filter(({ paused }) => paused).length)).toBe(0);
  expect(await page.evaluate(() => window.notes)).toBeUndefined();
});

test("a row that moves keeps its frame", async () => {
  const row = (id: string): string => `<li id=${id}><iframe srcdoc="<p>frame</p>"></iframe></li>`;
  const page = await open(`<ul>${["a", "b", "c"].map(row).join("")}</ul>`);
  await page.evaluate(() => document.querySelectorAll("iframe").forEach((frame) => Object.assign(frame.contentWindow!, { mine: 1 })));
  await apply(page, `<ul>${["c", "a", "b"].map(row).join("")}</ul>`);
  expect(await page.evaluate(() => [...document.querySelectorAll("iframe")].map((frame) => [frame.parentElement!.id, (frame.contentWindow as unknown as { mine?: number }).mine]))).toEqual([
    ...[["c", 1], ["a", 1], ["b", 1]],
  ]);
});

// Which row is which.

const input = (name: string): string => `<li>${name} is a task <input></li>`;
/** Types into the row of this text. */
const typeInto = (page: Page, text: string): Promise<void> => page.fill(`li:has-text("${text}") input`, "typed");
const typedRows = (page: Page): Promise<string[]> =>
  page.evaluate(() => [...document.querySelectorAll("li")].filter((row) => row.querySelector("input")!.value === "typed").map(({ textContent }) => textContent!.split(" ")[0]!));

test.each([
  ["a row is inserted at the top", ["a", "b", "c"], ["x", "a", "b", "c"]],
  ["one is inserted, one removed and one moved", ["a", "b", "c", "d", "e"], ["e", "x", "b", "c", "d"]],
  ["all are sorted another way", ["a", "b", "c", "d", "e"], ["e", "d", "c", "b", "a"]],
])("typed text stays in its row without ids: %s (P20)", async (_what, before, after) => {
  const page = await open(`<ul>${before.map(input).join("")}</ul>`);
  await typeInto(page, "b is");
  await apply(page, `<ul>${after.map(input).join("")}</ul>`);
  expect(await typedRows(page)).toEqual(["b"]);
  expect(await page.evaluate(() => [...document.querySelectorAll("li")].map(({ textContent }) => textContent!.split(" ")[0]))).toEqual(after);
});

test("a row that is changed while another is removed is found by its place, its words or its link (P20)", async () => {
  const row = (number: number, text: string): string => `<li><a href="/notes/${number}/">${text}</a> <input></li>`;
  const texts = ["milk and bread", "call Bob about it", "write a letter", "nothing"];
  const page = await open(`<ul>${texts.map((text) => `<li>${text}<input></li>`).join("")}</ul><ol>${texts.map((text, index) => row(index, text)).join("")}</ol>`);
  const typed = await page.$$("li:nth-child(3) input");
  for (const each of typed) await each.fill("typed");
  const next = ["milk and bread", "write two letters or a letter", "nothing"];
  await apply(page, `<ul>${next.map((text) => `<li>${text}<input></li>`).join("")}</ul><ol>${row(0, "all")}${row(2, "is")}${row(3, "different")}</ol>`);
  expect(await page.evaluate(() => [...document.querySelectorAll("li")].filter((each) => each.querySelector("input")!.value).map(({ textContent }) => textContent!.trim()))).toEqual(["write two letters or a letter", "is"]);
});

test("a row that stands in the place of a removed one, and says something else, is another row", async () => {
  const list = (text: string): string => `<ul><li>milk and bread</li><li>${text}</li><li>write a letter</li></ul>`;
  const page = await open(list("call Bob about it"));
  await page.evaluate(() => document.querySelectorAll("li")[1]!.classList.add("is-marked"));
  await apply(page, list("mend the old bicycle"));
  expect(await bodyOf(page)).toBe(list("mend the old bicycle"));
  await page.evaluate(() => document.querySelectorAll("li")[1]!.classList.add("is-marked"));
  await apply(page, list("mend the old car"));
  expect(await bodyOf(page)).toBe(list("mend the old car").replace("<li>mend", '<li class="is-marked">mend'));
});

test("two rows with different keys are never one, whatever their ids say", async () => {
  const row = (key: number, index: number): string => `<tr id="row-${index}" data-pk="${key}"><td>${key}</td><td><input id="id_form-${index}-title"></td></tr>`;
  const table = (...keys: number[]): string => `<table><tbody>${keys.map(row).join("")}</tbody></table>`;
  const { page } = await visit("about:blank");
  await page.setContent(html(table(1, 2, 3)));
  await page.evaluate(code);
  await page.evaluate(() => {
    const hooks: MorphHooks = { key: (element) => (element as HTMLElement).dataset["pk"] ?? null, ignoresId: ({ id }) => /^(id_form|row)-/.test(id) };
    globalThis.morph = morphing.createMorph(document.documentElement, document.documentElement, hooks);
  });
  await page.fill("#id_form-1-title", "about 2");
  await apply(page, table(4, 1, 2, 3));
  const shown = (): Promise<unknown> =>
    page.evaluate(() => [...document.querySelectorAll("tr")].map((each) => [each.dataset["pk"], each.querySelector("input")!.id, each.querySelector("input")!.value].join(" ")));
  expect(await shown()).toEqual(["4 id_form-0-title ", "1 id_form-1-title ", "2 id_form-2-title about 2", "3 id_form-3-title "]);
  await apply(page, table(4, 3));
  expect((await shown()) as string[]).toContain("2 id_form-2-title about 2"); // held: it is not sent yet
  await page.evaluate(() => (document.querySelector<HTMLInputElement>("tr[data-pk='2'] input")!.value = ""));
  await apply(page, table(4, 3));
  await page.evaluate(() => document.querySelector("tr[data-pk='3']")!.classList.add("is-marked"));
  await apply(page, table(4, 5));
  expect(await shown()).toEqual(["4 id_form-0-title ", "5 id_form-1-title "]);
  expect(await page.$(".is-marked")).toBeNull();
});

test("a hook leaves elements alone, and the next version tries again", async () => {
  const { page } = await visit("about:blank");
  await page.setContent(html("<p id=a>1</p><p id=b>1</p>"));
  await page.evaluate(code);
  await page.evaluate(() => {
    window.notes = [];
    const before: MorphHooks["before"] = ({ id }, change) => {
      if (id) window.notes.push(`${id} ${change}`);
      return !["a", "c"].includes(id);
    };
    const after = ({ id }: Element): void => void (id && window.notes.push(`${id} after`));
    globalThis.morph = morphing.createMorph(document.documentElement, document.documentElement, { before, after });
  });
  await apply(page, "<p id=a>2</p><p id=b>2</p><p id=c>2</p>");
  expect(await bodyOf(page)).toBe('<p id="a">1</p><p id="b">2</p>');
  expect(await page.evaluate(() => window.notes.splice(0))).toEqual(["a change", "b change", "b after", "c add"]);
  await apply(page, "<p id=b>2</p>");
  expect(await page.evaluate(() => window.notes.splice(0))).toEqual(["a remove"]);
  expect(await bodyOf(page)).toBe('<p id="a">1</p><p id="b">2</p>');
});

// The document around.

test("title, lang, classes of the body, meta and stylesheets follow, and what scripts set there stays", async () => {
  const head = (title: string, color: string): string =>
    `<title>${title}</title><meta name=description content=${title}><link rel=stylesheet href="data:text/css,p{color:${color}}">
     <script>document.documentElement.classList.add("dark"); document.documentElement.style.fontSize = "20px"</script>`;
  const page = await open("<p>1</p>", { head: head("One", "red") });
  await page.evaluate(() => document.head.insertAdjacentHTML("beforeend", "<style>b { color: blue }</style>"));
  const next = html("<p>2</p>", { head: head("Two", "green") }).replace('lang="en"', 'lang="de"').replace("<body>", "<body class=new>");
  await page.evaluate((text) => morph.apply(text), next);
  await page.waitForFunction(() => getComputedStyle(document.querySelector("p")!).color === "rgb(0, 128, 0)");
  expect(
    await page.evaluate(() => [
      document.title,
      document.documentElement.lang,
      document.documentElement.className,
      document.documentElement.style.fontSize,
      document.body.className,
      document.querySelector("meta")!.content,
      document.querySelectorAll("style").length,
    ]),
  ).toEqual(["Two", "de", "dark", "20px", "new", "Two", 1]);
});

test("noscript stays text: its content is not loaded", async () => {
  const page = await open("<p>1</p><noscript><img src=/tracked></noscript>");
  const requested: string[] = [];
  page.on("request", (request) => requested.push(request.url()));
  await apply(page, "<p>2</p><noscript><img src=/tracked?2></noscript><div><noscript><img src=/new></noscript></div>");
  expect(await page.evaluate(() => document.querySelectorAll("img").length)).toBe(0);
  expect(requested).toEqual([]);
});

test("if the served HTML is given, what scripts changed before is not taken for the server's", async () => {
  const served = html("<ul><li>1</li><li>2</li></ul><p>text</p>");
  const { page } = await visit("about:blank");
  await page.setContent(served);
  await page.evaluate(() => {
    document.querySelector("ul")!.insertAdjacentHTML("beforeend", "<li>of a script</li>");
    document.querySelector("p")!.className = "ready";
    document.querySelector("p")!.textContent = "TEXT";
  });
  await page.evaluate(code);
  await page.evaluate((text) => (globalThis.morph = morphing.createMorph(document.documentElement, text)), served);
  expect(await apply(page, "<ul><li>1</li><li>2</li></ul><p>text</p>")).toBe(false);
  await apply(page, "<ul><li>0</li><li>1</li></ul><p title=x>text</p>");
  expect(await bodyOf(page)).toBe('<ul><li>0</li><li>1</li><li>of a script</li></ul><p class="ready" title="x">TEXT</p>');
  await apply(page, "<ul><li>0</li><li>1</li></ul><p title=x>new</p>");
  expect(await page.textContent("p")).toBe("new");
});

test("a part of a page is a root, too", async () => {
  const { page } = await visit("about:blank");
  await page.setContent(html("<table><tbody id=rows><tr><td>1</td></tr></tbody></table><p>1</p>"));
  await page.evaluate(code);
  await page.evaluate(() => (globalThis.morph = morphing.createMorph(document.getElementById("rows")!, document.getElementById("rows")!)));
  expect(await page.evaluate(() => morph.apply("<tr><td>1</td></tr><tr><td>2</td></tr>"))).toBe(true);
  expect(await bodyOf(page)).toBe('<table><tbody id="rows"><tr><td>1</td></tr><tr><td>2</td></tr></tbody></table><p>1</p>');
});

test("a page does not draw inside of a region", async () => {
  const page = await open("<live-region src=/a/ data-etag=1><p>1</p></live-region><p>1</p>");
  await page.evaluate(() => ((document.querySelector("live-region p")!.firstChild as Text).data = "newer"));
  await apply(page, "<live-region src=/b/ data-etag=2><p>2</p></live-region><p>2</p>");
  expect(await bodyOf(page)).toBe('<live-region src="/b/" data-etag="1"><p>newer</p></live-region><p>2</p>');
});

test("CSRF tokens and nonces that differ in each version draw nothing", async () => {
  const body = (token: string): string => `<form><input type=hidden name=csrfmiddlewaretoken value=${token}></form><style nonce=${token}>p{}</style>`;
  const page = await open(body("one"));
  expect(await apply(page, body("two"))).toBe(false);
  await apply(page, `${body("three")}<form id=new><input type=hidden name=csrfmiddlewaretoken value=three></form>`);
  expect(await page.evaluate(() => [...document.querySelectorAll("input")].map(({ value }) => value))).toEqual(["one", "one"]);
});

// Scripts.

test("old scripts do not run again, new ones run once, in order", async () => {
  const script = (text: string): string => `<script>(window.notes ??= []).push("${text}")</script>`;
  const page = await open(`${script("old")}<p>1</p>`);
  await apply(page, `${script("old")}<p>2</p>${script("new")}<div>${script("inside")}<script type="application/json">{}</script></div>`);
  await apply(page, `${script("old")}<p>3</p>${script("new")}<div>${script("inside")}<script type="application/json">{"a":1}</script></div>`);
  expect(await page.evaluate(() => window.notes)).toEqual(["old", "new", "inside"]);
  expect(await page.textContent("[type='application/json']")).toBe('{"a":1}');
  await apply(page, `<p>3</p>${script("changed")}<div>${script("inside")}</div>${script("old")}`);
  expect(await page.evaluate(() => window.notes)).toEqual(["old", "new", "inside", "changed"]);
});

test("on a page with a nonce, only scripts with the nonce of the version's policy run, and the policy holds", async () => {
  const { page } = await visit("about:blank");
  const script = (nonce: string, text: string): string => `<script nonce="${nonce}">(window.notes ??= []).push("${text}")</script>`;
  await page.route("http://page.test/served", (route) =>
    route.fulfill({
      ...{ contentType: "text/html", body: html(`${script("page", "old")}<p>1</p>`) },
      headers: { "content-security-policy": "script-src 'nonce-page' 'strict-dynamic' 'unsafe-eval'" },
    }),
  );
  await page.goto("http://page.test/served");
  await page.evaluate(code);
  await page.evaluate(() => (globalThis.morph = morphing.createMorph(document.documentElement, document.documentElement, { isTrusted: (nonce) => nonce === "version" })));
  await apply(page, `${script("version", "old")}<p>2</p>${script("version", "new")}${script("other", "bad")}<script>notes.push("worse")</script><p onclick="notes.push('clicked')">x</p>`);
  await page.click("p:last-of-type");
  expect(await page.evaluate(() => window.notes)).toEqual(["old", "new"]);
  // Without a hook, none runs.
  await page.evaluate(() => (globalThis.morph = morphing.createMorph(document.documentElement, document.documentElement)));
  await apply(page, `<p>3</p>${script("page", "guessed")}`);
  expect(await page.evaluate(() => window.notes)).toEqual(["old", "new"]);
});

test("a script that may not run does not, whatever the browser takes it for", async () => {
  const page = await open("<p>1</p>");
  await page.evaluate(() => {
    window.notes = [];
    globalThis.morph = morphing.createMorph(document.documentElement, document.documentElement, { isTrusted: () => false });
  });
  await apply(page, "<p>2</p><script>notes.push('direct')</script><div><script>notes.push('inside')</script></div>");
  expect(await page.evaluate(() => window.notes)).toEqual([]);
});

test("Trusted Types: a page that allows the policy wsrequest is drawn", async () => {
  const { page } = await visit("about:blank");
  await page.route("http://page.test/served", (route) =>
    route.fulfill({ contentType: "text/html", body: html("<p>1</p>"), headers: { "content-security-policy": "require-trusted-types-for 'script'; trusted-types wsrequest" } }),
  );
  await page.goto("http://page.test/served");
  await page.addScriptTag({ content: code }).catch(() => page.evaluate(code));
  await page.evaluate(() => (globalThis.morph = morphing.createMorph(document.documentElement, document.documentElement)));
  await apply(page, "<p>2</p><script>window.notes = ['ran']</script>");
  expect(await bodyOf(page)).toContain("<p>2</p>");
  expect(await page.evaluate(() => window.notes)).toEqual(["ran"]);
});

// Random trees.

test("whatever the versions are, an untouched page becomes the version", async () => {
  const page = await open("");
  const failures = await page.evaluate(() => {
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48271) % 2147483647) % below;
    const NAMES = ["div", "p", "ul", "li", "b", "form"];
    const tree = (depth: number): string =>
      Array.from({ length: random(6) }, () => {
        const kind = random(7);
        if (kind === 0) return " ";
        if (kind === 1) return `text ${random(4)}`;
        if (kind === 2) return `<input name=n${random(3)} value=${random(3)}>`;
        const name = NAMES[random(NAMES.length)]!;
        const attributes = [random(3) ? "" : ` id=i${random(5)}`, random(3) ? "" : ` class="c${random(3)} c${random(3)}"`, random(4) ? "" : ` title=${random(2)}`].join("");
        return `<${name}${attributes}>${depth ? tree(depth - 1) : random(5)}</${name}>`;
      }).join("");
    const text = (element: Element): string => {
      const copy = element.cloneNode(true) as Element;
      copy.normalize();
      for (const each of copy.querySelectorAll("[class]")) each.setAttribute("class", [...each.classList].sort().join(" "));
      const sorted = (each: Element): string =>
        `<${each.localName} ${[...each.attributes].map(({ name, value }) => `${name}=${value}`).sort().join(" ")}>${[...each.childNodes].map((node) => (node.nodeType === 1 ? sorted(node as Element) : node.textContent!.trim())).join("")}</>`;
      return sorted(copy);
    };
    const failures: string[] = [];
    for (let round = 0; round < 300 && failures.length < 3; round++) {
      const versions = Array.from({ length: 4 }, () => tree(4));
      const root = document.createElement("main");
      root.innerHTML = versions[0]!;
      document.body.replaceChildren(root);
      const each = morphing.createMorph(root, root);
      for (const version of versions.slice(1)) {
        each.apply(version);
        const wanted = document.createElement("main");
        wanted.innerHTML = version;
        if (text(root) !== text(wanted)) failures.push(`${round}: ${version}\n  became ${root.innerHTML}`);
        if (each.apply(version)) failures.push(`${round}: drawn twice: ${version}`);
      }
    }
    return failures;
  });
  expect(failures).toEqual([]);
});
