/** The room of a snippet: who is there, what they say, who is typing, and how far the job is. */
import { announce, byId, make } from "./dom.js";

const TYPING_MS = 3_000; // how long somebody who has typed a letter counts as typing
const STATES = {
  connecting: "Connecting…",
  live: "Live",
  polling: "No events now",
  uncertain: "May miss events",
  failing: "Out of the room",
  ended: "The room is closed",
};

const { url, name } = byId("room").dataset;
const room = globalThis.wsrequest.room(url);

function showState() {
  byId("state").textContent = STATES[room.state];
  byId("state").parentElement.dataset.state = room.state;
}

function showMembers() {
  const items = room.members.map(({ id, info }) => make("li", { className: id === name ? "me" : "" }, info.name));
  byId("members").replaceChildren(...items);
  byId("member-count").textContent = items.length || "";
}

function say(...content) {
  const item = make("li", {}, ...content);
  byId("notes").append(item);
  item.scrollIntoView({ block: "nearest" });
  return item;
}

const typists = new Map(); // name -> the timer that forgets it

function showTypists() {
  const names = [...typists.keys()];
  byId("typing").textContent = names.length ? `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} typing…` : "";
}

function forget(typist) {
  clearTimeout(typists.get(typist));
  typists.delete(typist);
  showTypists();
}

function showProgress(done, total, text) {
  Object.assign(byId("progress"), { max: total, value: done });
  byId("job").textContent = text;
  byId("start").disabled = done < total;
}

/** Sends an event to the view of the room, and says why it was refused. */
async function send(event, data) {
  try {
    return await room.send(event, data);
  } catch (error) {
    announce(error.response ? `The room has refused it (${error.response.status}).` : error.message, "bad");
  }
}

room.addEventListener("statechange", showState);
room.addEventListener("members", showMembers);
room.addEventListener("missed", () => (say("Something may have been said while you were away.").className = "lost"));
room.addEventListener("clear", () => byId("notes").replaceChildren());
room.on("typing", ({ name }) => {
  clearTimeout(typists.get(name));
  typists.set(name, setTimeout(forget, TYPING_MS, name));
  showTypists();
});
room.on("note", ({ name, text }) => {
  forget(name);
  say(make("strong", {}, `${name}: `), text);
});
room.on("progress", ({ done, total }) => showProgress(done, total, `${done.toLocaleString("en")} of ${total.toLocaleString("en")} pages`));
room.on("finished", ({ pages, bytes }) =>
  showProgress(1, 1, `Done: ${pages.toLocaleString("en")} pages, ${(bytes / 1e6).toFixed(1)} MB of HTML.`),
);

let typedAt = 0;
byId("note").addEventListener("input", () => {
  if (Date.now() - typedAt < TYPING_MS / 2) return;
  typedAt = Date.now();
  room.send("typing").catch(() => {}); // nobody waits for this
});
byId("say").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = byId("note");
  const text = field.value.trim();
  typedAt = 0;
  if (text && (await send("note", text))) field.value = "";
});
byId("start").addEventListener("click", async () => {
  byId("start").disabled = true;
  if (!(await send("highlight"))) byId("start").disabled = false;
});
showState();
