import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { type WatchResponse, WatchResponseSchema } from "@/gen/sonde/v1/query_service_pb";
import type { WatchHub } from "../watch";

type Watch = ConstructorParameters<typeof WatchHub>[0]["watch"];
type Call = { exprs: string[]; followAgent: string; push: (response: WatchResponse) => void; fail: (e: Error) => void };

/** For each expression its series by the value of the label "series", or an error. */
export type FakeStep = Record<string, Record<string, number> | string>;

/** A server of Watch that says only what the test tells it to. */
export class FakeWatch {
  /** Calls that are open now, and how many there were. */
  open: Call[] = [];
  calls = 0;
  /** Every new call fails with it. */
  refuse: Error | undefined;

  watch: Watch = (request, options) => {
    this.calls++;
    if (this.refuse) return failing(this.refuse);
    const queue: (WatchResponse | Error)[] = [];
    let wake = () => {};
    const put = (item: WatchResponse | Error) => {
      queue.push(item);
      wake();
    };
    const call: Call = {
      exprs: [...(request.exprs ?? [])],
      followAgent: request.followAgent ?? "",
      push: put,
      fail: put,
    };
    this.open.push(call);
    const signal = options?.signal;
    signal?.addEventListener("abort", () => put(new ConnectError("canceled", Code.Canceled)));
    const close = () => {
      this.open = this.open.filter((other) => other !== call);
    };
    return (async function* () {
      try {
        while (true) {
          const item = queue.shift();
          if (item instanceof Error) throw item;
          if (item) yield item;
          else
            await new Promise<void>((done) => {
              wake = done;
            });
        }
      } finally {
        close();
      }
    })();
  };

  /** Sends a step on every open call that asked for its expressions. */
  send(
    timeMs: number,
    values: FakeStep,
    options: { unchanged?: boolean; serverMs?: number; followAgent?: string } = {},
  ): void {
    for (const call of this.open) {
      if (options.followAgent !== undefined && call.followAgent !== options.followAgent) continue;
      call.push(
        create(WatchResponseSchema, {
          timeMs: BigInt(timeMs),
          serverTime: timestampFromMs(options.serverMs ?? Date.now()),
          results: call.exprs.map((expr) => {
            const answer = values[expr] ?? {};
            if (typeof answer === "string") return { error: answer, seriesChanged: true };
            return {
              seriesChanged: !options.unchanged,
              series: options.unchanged ? [] : Object.keys(answer).map((series) => ({ labels: { series } })),
              values: Object.values(answer),
            };
          }),
        }),
      );
    }
  }

  fail(error: Error): void {
    for (const call of this.open) call.fail(error);
  }
}

// biome-ignore lint/correctness/useYield: it fails before there is anything to yield
async function* failing(error: Error): AsyncGenerator<WatchResponse> {
  throw error;
}
