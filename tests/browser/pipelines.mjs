// Small pipelines of shell commands. Steps that wait do so at a gate (a FIFO), never by time.

// A red square of 8 by 8.
const kPng =
  "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mM4o6SEFTEMLQkAvM5EAUNdDNUAAAAASUVORK5CYII=";

/** Two gates in a row: `first`, then `second`; metrics, logs, a picture, a folder. */
export const kGated = `
name: gated
entry_points:
  prepare:
    parameters: {rows: 3}
    artifacts: {output: [table]}
    command: echo "rows {{rows}}" > {{table}}
  train:
    deps: prepare
    loop_argument: [0.1, 0.2]
    artifacts:
      input: {table: "{{prepare.table}}"}
    command: >-
      echo "rate {{PF_LOOP_ARGUMENT}}";
      echo '{"name":"loss","value":0.5,"step":0}' >> "$REGATTA_METRICS_FILE";
      read line < first.{{PF_LOOP_ARGUMENT}};
      echo "got $line <b>bold</b>";
      echo '{"name":"loss","value":0.25,"step":1}' >> "$REGATTA_METRICS_FILE";
      read line < second.{{PF_LOOP_ARGUMENT}}
  publish:
    deps: train
    artifacts: {output: [picture, report, bundle]}
    command: >-
      printf ${kPng} | base64 -d > {{picture}};
      echo "accuracy 0.97" > {{report}};
      mkdir {{bundle}}; cp {{picture}} {{bundle}}/inside.png; echo x > {{bundle}}/weights
post_process:
  report:
    command: echo done
`;

/** Everything is cached; what `factor` is decides whether the second step runs again. */
export const kCached = `
name: cached
cache: {enable: true}
entry_points:
  load:
    artifacts: {output: [rows]}
    command: echo 1 > {{rows}}
  scale:
    deps: load
    parameters: {factor: 2}
    artifacts:
      input: {rows: "{{load.rows}}"}
      output: [scaled]
    command: echo {{factor}} > {{scaled}}
`;

/** Stays until it is stopped. */
export const kWaits = `
name: waits
entry_points:
  wait:
    command: read line < gate
  after:
    deps: wait
    command: "true"
`;

/** Ends by itself at once; failing on demand. */
export const kQuick = `
name: quick
entry_points:
  only:
    parameters: {code: 0}
    command: exit {{code}}
`;

/** Many iterations that no process is started for. */
export function wide(count) {
  const items = Array.from({ length: count }, (_, index) => index).join(", ");
  return `
name: wide
entry_points:
  split:
    command: "true"
  work:
    deps: split
    loop_argument: [${items}]
    condition: 1 > 2
    command: "true"
  join:
    deps: work
    command: "true"
`;
}

/** For the pictures: a loop, a condition that leaves a step out, a cache, metrics, a failure. */
export const kShown = `
name: rates
cache: {enable: true}
entry_points:
  prepare:
    artifacts: {output: [table]}
    command: seq 100 > {{table}}
  train:
    deps: prepare
    loop_argument: [0.1, 0.2, 0.3]
    artifacts:
      input: {table: "{{prepare.table}}"}
    command: >-
      for step in 0 1 2 3 4 5 6 7 8 9; do
      echo "{\\"name\\":\\"loss\\",\\"value\\":0.$((90 - 9 * $step + $step * $step / 2)),\\"step\\":$step}"
      >> "$REGATTA_METRICS_FILE"; done
  explain:
    deps: train
    condition: 1 > 2
    command: "true"
  deploy:
    deps: train
    parameters: {code: 3}
    command: echo "no such target" >&2; exit {{code}}
`;
