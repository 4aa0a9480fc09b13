import { Client } from "/static/wsrequest/client.js";
globalThis.wsrequest = new Client();
// The first message is the code of the calls, each other one a call.
onmessage = async ({ data }) => {
  if (typeof data === "string") return (globalThis.table = (0, eval)(`${data}; table`));
  postMessage(await table.run(...data));
};
