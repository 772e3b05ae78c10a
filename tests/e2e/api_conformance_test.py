"""The API against its description: schemathesis makes requests from docs/openapi.yaml, good and bad
ones, for every operation, and every answer must be one that the description has.

Its program is $REGATTA_SCHEMATHESIS (tools/setup.sh --lane api).
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import unittest

from harness import ROOT, Case

SCHEMATHESIS = os.environ.get(
    "REGATTA_SCHEMATHESIS", str(ROOT / ".cache/schemathesis/bin/schemathesis")
)
SEED = 8470
# Not asked of an answer, and why:
# - positive_data_acceptance: a schema cannot say what a pipeline or a job in a text has to be, so
#   texts that fit the schema are refused, rightly.
CONFIG = """\
base-url = "{address}"
seed = {seed}
continue-on-failure = true
request-timeout = 10
max-stream-events = 2

[auth.openapi.bearer]
bearer = "{token}"

[generation]
max-examples = {examples}
no-shrink = true
database = "none"

[cache]
enabled = false

[checks]
positive_data_acceptance.enabled = false
# A text that is too long is answered with 413.
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415]

# Never ends by itself: a second of it is read.
[[operations]]
include-operation-id = "streamEvents"
request-timeout = 1

[parameters]
"""

DESCRIPTION = (ROOT / "docs/openapi.yaml").read_text()
# "GET /api/v1/runs" of each.
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, methods in re.findall(r"^  (/\S*):\n((?:    .*\n)+)", DESCRIPTION, re.M)
    for method in re.findall(r"^    (get|post|put|patch|delete):$", methods, re.M)
]
IDEMPOTENCY_KEY = """\
      name: Idempotency-Key
      in: header
      schema: { type: string, minLength: 1, maxLength: 128 }
"""
IGNORED_HEADER = """\
      name: X-Ignored
      in: header
      schema: { type: string }
"""

PIPELINE = """\
    name: fixture
    cache: {enable: true}
    entry_points:
      good:
        artifacts: {output: [file, folder]}
        command: 'echo x > {{file}}; mkdir {{folder}}; echo y > {{folder}}/y'
      loop: {loop_argument: [1, 2], command: 'echo {{PF_LOOP_ARGUMENT}}'}
      bad: {command: 'exit %d'}
    failure_options: {strategy: continue}
    """

JOB = """\
    apiVersion: kubeflow.org/v1
    kind: PyTorchJob
    metadata: {name: fixture}
    spec:
      pytorchReplicaSpecs:
        Worker:
          replicas: 2
          restartPolicy: Never
          template:
            spec:
              containers:
                - {name: pytorch, image: none, command: [echo, hello]}
    """


class ApiConformanceTest(Case):
    patience = 600

    def fill(self, api):
        """Something of every kind, so that requests meet more than 404."""
        ok = self.write("ok.yaml", PIPELINE % 0)
        self.regatta("run", ok, code=0)
        self.regatta("run", ok, code=0)  # from the cache
        self.regatta("run", self.write("bad.yaml", PIPELINE % 3), code=1)
        self.regatta("pipelines", "create", ok)
        self.regatta("pipelines", "update", "fixture", self.folder / "bad.yaml")
        self.regatta("submit", self.write("job.yaml", JOB))
        for kind in ("runs", "pipelines", "artifacts", "caches", "jobs"):
            self.assertGreater(api.call("GET", f"/api/v1/{kind}").json["total"], 0, kind)

    def schemathesis(self, api, *arguments, description=None, examples=1, parameters=None):
        """Runs schemathesis; returns it and how often each operation gave each status."""
        config = self.folder / "schemathesis.toml"
        config.write_text(
            CONFIG.format(
                address=api.address.geturl(), token=api.token, seed=SEED, examples=examples
            )
            + "".join(f'"{name}" = {value!r}\n' for name, value in (parameters or {}).items())
        )
        document = self.folder / "openapi.yaml"
        document.write_text(description or DESCRIPTION)
        report = self.folder / "report.ndjson"
        command = [SCHEMATHESIS, "--no-color", "--config-file", config, "run", document]
        command += ["--report-ndjson-path", report, *arguments]
        process = subprocess.run(
            list(map(str, command)),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=self.patience,
        )
        statuses = collections.defaultdict(collections.Counter)
        for line in report.read_text().splitlines():
            recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
            for exchange in recorder.get("interactions", {}).values():
                response = exchange.get("response") or {}
                statuses[recorder["label"]][response.get("status_code")] += 1
        return process, statuses

    def conforms(self, api, *arguments, **options):
        process, statuses = self.schemathesis(api, *arguments, **options)
        # Lines with long made-up values say nothing more than their beginning.
        told = "\n".join(line[:300] for line in process.stdout.splitlines())
        self.assertEqual(process.returncode, 0, f"{told}\n{process.stderr}")
        return statuses

    def test_answers_are_what_the_description_says(self):
        _, api = self.serve()
        self.fill(api)
        run = api.call("GET", "/api/v1/runs?state=succeeded&order=asc").json["items"][0]["id"]
        step = api.call("GET", f"/api/v1/artifacts?run_id={run}&name=file").json["items"][0]
        # Each GET of something that exists, so that the whole of a good answer is looked at.
        statuses = self.conforms(
            api,
            *("--include-method", "GET", "--phases", "examples,coverage"),
            parameters={
                "path.run_id": run,
                "path.step_id": step["step_id"],
                "path.name": "folder",
                "query.path": "y",
                "path.cache_id": step["step_id"],
                "path.pipeline": "fixture",
                "path.version": 1,
                "query.rank": 0,
                "path.job_id": api.call("GET", "/api/v1/jobs").json["items"][0]["id"],
            },
        )
        for operation in OPERATIONS:
            if operation.startswith("GET "):
                self.assertGreater(statuses[operation][200], 0, (operation, statuses[operation]))
        # Requests that change: without the key, whose second use would refuse most of them.
        statuses = self.conforms(
            api,
            *("--exclude-method", "DELETE", "--phases", "examples,coverage,fuzzing"),
            description=DESCRIPTION.replace(IDEMPOTENCY_KEY, IGNORED_HEADER),
            examples=10,
        )
        for operation in OPERATIONS:
            if not operation.startswith("DELETE "):
                self.assertGreater(statuses[operation].total(), 0, operation)
        for operation in ("POST /api/v1/runs", "POST /api/v1/jobs", "POST /api/v1/pipelines"):
            self.assertGreater(statuses[operation][201], 0, operation)
        # All of them, also one after the other: what is made is used, deleted, asked for again.
        statuses = self.conforms(api, "--phases", "coverage,stateful", examples=10)
        for operation in OPERATIONS:
            self.assertGreater(statuses[operation].total(), 0, operation)
        self.assertEqual(api.call("GET", "/readyz").status, 200)

    def test_a_wrong_answer_is_seen(self):
        _, api = self.serve()
        schema = "required: [version, api]"
        status = '"200":\n          description: Versions'
        for right, wrong, code in (
            (schema, schema, 0),
            (schema, "required: [version, api, colour]", 1),
            (status, status.replace("200", "201"), 1),
        ):
            self.assertIn(right, DESCRIPTION)
            process, statuses = self.schemathesis(
                api,
                *("--include-operation-id", "getVersion", "--phases", "coverage"),
                description=DESCRIPTION.replace(right, wrong),
            )
            self.assertGreater(statuses["GET /api/v1/version"][200], 0)
            self.assertEqual(process.returncode, code, process.stdout)


if __name__ == "__main__":
    os.chdir(pathlib.Path(__file__).parent)
    unittest.main(verbosity=2)
