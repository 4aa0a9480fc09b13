/** The data of server-sent events, as their bytes come (HTML standard, "Interpreting an event stream"). */

/** `heard` is called with every piece, be it a comment only. Throws what the stream fails with. */
export async function* events(body: ReadableStream<Uint8Array>, heard: () => void): AsyncGenerator<string, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return; // an event that is not whole is none
      heard();
      // A CR at the end may be half a line end.
      const lines = (rest + decoder.decode(value, { stream: true })).split(/\r\n|\n|\r(?=[^\n])/);
      rest = lines.pop()!;
      for (const line of lines) {
        const found = /^data(?:: ?(.*))?$/s.exec(line);
        if (found) data.push(found[1] ?? "");
        if (line || !data.length) continue;
        yield data.join("\n");
        data = [];
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
