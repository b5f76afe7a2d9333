// Events of a job as they happen. When the connection breaks, the stream goes on after the last
// event that was seen; it ends with `job.ended` (more come after a retry).

import { request } from "./api.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

export async function follow(path, onEvent, signal) {
  let last = 0;
  let isOver = false;
  for (let failures = 0; !signal.aborted; ) {
    try {
      const headers = { Accept: "text/event-stream", "Last-Event-ID": String(last) };
      const response = await request(path, { headers, signal });
      for await (const event of parse(response.body)) {
        failures = 0;
        last = event.id;
        onEvent(event);
        isOver = event.type === "job.ended";
      }
      if (isOver) return;
    } catch (error) {
      const isRefused = error.status >= 400 && error.status < 500;
      if (signal.aborted || isRefused) return;
    }
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
    failures += 1;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

async function* parse(body) {
  let rest = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = block.split(/\r?\n/).filter((line) => line.startsWith("data:"));
      const data = lines.map((line) => line.slice(5).trimStart());
      if (data.length) yield JSON.parse(data.join("\n"));
    }
  }
}
