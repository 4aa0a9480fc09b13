/** The token: which call has it, when the client gets a new one, and when the client forgets it. */
import { describe, expect, test, vi } from "vitest";
import "../src/upload.js"; // so that it is there at once when it is needed
import { OTHER, begin, byHttp, client, connect, eachAlone, sent, turn } from "./connected.js";
import { FakeSocket } from "./fakeSocket.js";

eachAlone();

test("calls that are answered 401 at once ask for one new token", async () => {
  const token = vi.fn(async () => `t${token.mock.calls.length}`);
  const socket = await connect({ token });
  const calls = [1, 2].map(() => client.fetch("/", { method: "POST", body: "x" }));
  await sent(socket, 2);
  for (const id of [1, 2]) socket.text({ id, status: 401, headers: {} });
  await sent(socket, 4);
  for (const id of [3, 4]) socket.text({ id, status: 200, headers: {} });
  expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200]);
  expect(socket.heads.map((head) => head["token"])).toEqual(["t1", "t1", "t2", "t2"]);
});

test("calls that are answered 403 ask for one new token, and not again within a minute", async () => {
  const token = vi.fn(async () => `t${token.mock.calls.length}`);
  const now = vi.spyOn(performance, "now").mockReturnValue(1000);
  const socket = await connect({ token });
  const call = async (...statuses: number[]): Promise<number> => {
    const before = socket.sent.length;
    const answer = client.fetch("/", { method: "POST", body: "x" });
    for (const [index, status] of statuses.entries()) {
      await sent(socket, before + index + 1);
      socket.text({ id: before + index + 1, status, headers: {} });
    }
    return (await answer).status;
  };
  expect(await call(403, 200)).toBe(200); // it had expired
  expect(await call(403)).toBe(403); // it may not do this
  expect(await call(401, 403)).toBe(403); // a 401 asks at any time
  now.mockReturnValue(61_001);
  expect(await call(403, 403)).toBe(403);
  expect(await call(404)).toBe(404);
  expect(socket.heads.map((head) => head["token"])).toEqual(["t1", "t2", "t2", "t2", "t3", "t3", "t4", "t4"]);
});

describe("the token of a former visitor", () => {
  /** What the next call bears, by the socket or by HTTP. */
  async function borne(): Promise<unknown> {
    const [frames, requests] = [FakeSocket.last.sent.length, byHttp.mock.calls.length];
    const call = client.fetch("/");
    while (FakeSocket.last.sent.length === frames && byHttp.mock.calls.length === requests) await turn();
    if (byHttp.mock.calls.length > requests) return (await call, byHttp.mock.calls.at(-1)![0].headers.get("authorization"));
    const { id, token } = FakeSocket.last.heads.at(-1)!;
    FakeSocket.last.text({ id, status: 200, headers: {} });
    await call;
    return token;
  }
  const reopened = async (lost: FakeSocket): Promise<void> => {
    client.open();
    while (FakeSocket.last === lost) await vi.advanceTimersByTimeAsync(500);
    FakeSocket.last.greet();
  };

  test.each([
    [4003, "ann", "bob"],
    [1006, "ann", "ann"],
  ])("is sent no more when the connection was closed with %d: %s, then %s", async (code, first, then) => {
    let user: string | null = "ann";
    const socket = await connect({ token: () => user });
    expect(await borne()).toBe(first);
    user = "bob";
    expect(await borne()).toBe(first); // it is kept
    socket.drop(code);
    await reopened(socket);
    expect(await borne()).toBe(then);
  });

  test("is sent no more after close(), by HTTP neither, and none is where there is none", async () => {
    let user: string | null = "ann";
    const socket = await connect({ token: async () => user });
    expect(await borne()).toBe("ann");
    user = null;
    client.close();
    expect(await borne()).toBeNull();
    user = "bob";
    client.close(); // closed already
    expect(await borne()).toBe("JWT bob");
    user = "eve";
    client.close();
    await reopened(socket);
    expect(await borne()).toBe("eve");
  });

  test("is not put back by a call that asked for it before", async () => {
    const resolvers: ((token: string) => void)[] = [];
    const socket = await connect({ token: () => new Promise<string>((resolve) => resolvers.push(resolve)) });
    const early = client.fetch("/");
    while (!resolvers.length) await turn();
    socket.drop(4003);
    resolvers[0]!("ann");
    await early; // of the visitor that there was; by HTTP, while the socket comes back
    await reopened(socket);
    const late = borne();
    while (resolvers.length < 2) await turn();
    resolvers[1]!("bob");
    expect(await late).toBe("bob");
  });

  test("leaves no pause for the next one after a 403", async () => {
    let user = "ann";
    const token = vi.fn(() => user);
    const socket = await connect({ token });
    const forbidden = async (on: FakeSocket): Promise<void> => {
      const call = client.fetch("/");
      await sent(on, 1);
      on.text({ id: 1, status: 403, headers: {} });
      await call;
    };
    await forbidden(socket);
    expect(token).toHaveBeenCalledTimes(2);
    user = "bob";
    socket.drop(4003);
    await reopened(socket);
    await forbidden(FakeSocket.last);
    expect(token).toHaveBeenCalledTimes(4);
  });
});

test("the token is for the origin of the socket, and is neither sent nor renewed for another", async () => {
  const token = vi.fn(async () => `t${token.mock.calls.length}`);
  begin({ token });
  byHttp.mockResolvedValueOnce(new Response("", { status: 401 }));
  expect((await client.fetch(`${OTHER}/`)).status).toBe(401);
  expect(token).not.toHaveBeenCalled();
  expect(byHttp.mock.calls.map(([request]) => request.headers.get("authorization"))).toEqual([null]);
});

test("the token is for origins that the page lists, too", async () => {
  begin({ token: "t1", trustedOrigins: [`${OTHER}/path`] });
  await client.fetch(`${OTHER}/`);
  await client.fetch("https://third.example/");
  expect(byHttp.mock.calls.map(([request]) => request.headers.get("authorization"))).toEqual(["JWT t1", null]);
});

test("a redirect to another origin takes no token along, and its 401 asks for none", async () => {
  const token = vi.fn(async () => `t${token.mock.calls.length}`);
  const socket = await connect({ token });
  const call = client.fetch("/a/");
  await sent(socket, 1);
  byHttp.mockImplementationOnce(async ({ url }) => Object.defineProperty(new Response("", { status: 401 }), "url", { value: url }));
  socket.text({ id: 1, status: 302, headers: { Location: `${OTHER}/` } });
  expect((await call).status).toBe(401);
  expect(byHttp.mock.calls.map(([request]) => request.headers.get("authorization"))).toEqual([null]);
  expect(token).toHaveBeenCalledTimes(1);
});
