import { describe, expect, it } from "vitest";
import { parseQuery, parseRunSearch, parseRunsSearch, stringifyQuery } from "./search";

const kStep = "01kaab0000000000000000002s";

describe("the address of the runs page", () => {
  it("gives back what was written", () => {
    const search = parseRunsSearch({
      state: ["failed", "running"],
      name: "a&b=ü",
      sort: "name",
      order: "asc",
      size: 100,
      cursor: "x/+=",
    });
    expect(parseRunsSearch(parseQuery(stringifyQuery({ ...search })))).toEqual(search);
  });
  it("keeps lists readable", () =>
    expect(stringifyQuery({ state: ["failed", "running"] })).toBe("?state=failed,running"));
  it("writes no defaults", () =>
    expect(parseRunsSearch({ sort: "created_at", order: "desc", size: "50", name: "" })).toEqual(
      {},
    ));
  it("drops what it does not know", () =>
    expect(
      parseRunsSearch({ state: "failed,burning", sort: "colour", size: "51", order: 1 }),
    ).toEqual({ state: ["failed"] }));
  it("is nothing when nothing is chosen", () => expect(stringifyQuery({})).toBe(""));
});

describe("the address of a run", () => {
  it("holds the step's panel only with a step", () => {
    expect(parseRunSearch({ panel: "logs", rank: "1" })).toEqual({});
    expect(parseRunSearch({ step: kStep, panel: "logs", rank: "1" })).toEqual({
      step: kStep,
      panel: "logs",
      rank: 1,
    });
  });
  it("refuses a step that is no id", () =>
    expect(parseRunSearch({ step: "../../x", tab: "gantt" })).toEqual({ tab: "gantt" }));
  it.each(["-1", "1.5", "70000", "x"])("refuses rank %s", (rank) =>
    expect(parseRunSearch({ step: kStep, rank })).toEqual({ step: kStep }),
  );
});
