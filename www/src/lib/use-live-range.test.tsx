import { createRouterTransport } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { QueryService } from "@/gen/sonde/v1/query_service_pb";
import type { RangeData } from "./series";
import { type Rendered, render, until } from "./testing/render";
import { absolute } from "./time-range";
import { useLiveRange, useRange } from "./use-live-range";

let page: Rendered | undefined;
afterEach(() => page?.close());

const range = absolute(1_000, 3_000);
const stepMs = 1_000;

/** A server whose only host was called old, and is called new since the third step. */
const renamed = createRouterTransport(({ service }) =>
  service(QueryService, {
    queryRange: ({ startMs }) => ({
      startMs,
      stepMs: BigInt(stepMs),
      steps: 3,
      results: [
        {
          series: [
            { labels: { labels: { instance: "new" } }, values: [Number.NaN, Number.NaN, 3] },
            { labels: { labels: { instance: "old" } }, values: [1, 2, 2] },
          ],
        },
      ],
    }),
  }),
);

const shown = (data: RangeData | undefined) => JSON.stringify(data?.results[0]?.series.map(({ values }) => values));

function Live() {
  return shown(useLiveRange(["a"], { range, stepMs }).data);
}
function History() {
  return shown(useRange(["a"], { range, stepMs }).data);
}

describe.each([
  ["useLiveRange", <Live key="live" />],
  ["useRange", <History key="history" />],
])("%s", (_, element) => {
  it("gives one series of a host that was renamed", async () => {
    page = await render(element, { transport: renamed });
    const { container } = page;
    await until(() => expect(container.textContent).toBe("[[1,2,3]]"));
  });
});
