import { Client } from "/static/wsrequest/client.js";
const client = new Client();
onmessage = async ({ data: [path, init] }) => {
  const response = await client.fetch(path, init);
  postMessage({ state: client.state, url: response.url, text: await response.text() });
};
