/** What a project of its own writes that installed the npm package: tsc and esbuild read it beside the package (scripts/client check). */
import { Client, RequestFailed, RequestInDoubt, type FetchInit, type LiveState, type Member, type Options, type Room } from "django-websocket-request";

const options: Options = { url: "wss://example.com/ws/", token: async () => "a token" };
export const client = new Client(options);

export async function create(title: string): Promise<number> {
  const onUploadProgress = (sentBytes: number, totalBytes: number | null): void => console.log(sentBytes, totalBytes);
  const init: FetchInit = { method: "POST", body: new URLSearchParams({ title }), settled: true, onUploadProgress };
  try {
    const response: Response = await client.fetch("/api/snippets/", init);
    return response.status;
  } catch (error) {
    if (error instanceof RequestInDoubt) return 0;
    if (error instanceof RequestFailed) return error.response?.status ?? 0;
    throw error;
  }
}

export async function follow(show: (response: Response) => void): Promise<LiveState> {
  const subscription = client.live("/api/snippets/", (response) => show(response), { patch: false });
  subscription.addEventListener("statechange", () => console.log(subscription.state, subscription.error));
  for await (const response of client.live("/api/snippets/")) show(response);
  subscription.close();
  return subscription.state;
}

export async function take(typed: (user: string) => void): Promise<number> {
  const room: Room = client.room("/api/room/", { user: true });
  const stop = room.on("typing", ({ user }, { position }) => typed(`${user} ${position}`));
  room.addEventListener("members", () => room.members.forEach(({ id, info }: Member) => console.log(id, info["name"])));
  const { status } = await room.send("typing", { at: 12 });
  for await (const { event, data } of room) console.log(event, data);
  stop();
  return status + room.history.length;
}

// What has types refuses what is wrong; were they `any`, these lines would be errors.
// @ts-expect-error: no such option
new Client({ path: "/ws/" });
// @ts-expect-error: no such kind of patch
client.live("/api/snippets/", null, { patch: "xml" });
// @ts-expect-error: no such option
client.room("/api/room/", { keep: true });
// @ts-expect-error: how many there are may not be known
void client.fetch("/", { onUploadProgress: (sentBytes: number, totalBytes: number) => console.log(sentBytes / totalBytes) });
// @ts-expect-error: no address
void client.fetch();
