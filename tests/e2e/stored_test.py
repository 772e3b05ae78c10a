"""Stored pipelines, artifacts, caches and deleting runs, by the command line and over the wire."""

import json
import os
import pathlib
import signal
import unittest

from harness import Case

CACHED = """\
    name: kept
    cache: {enable: true}
    entry_points:
      a:
        artifacts: {output: [data]}
        command: 'echo %s > {{data}}'
      b:
        deps: a
        artifacts: {input: {i: "{{a.data}}"}}
        command: 'cat {{i}}'
    """


class StoredTest(Case):
    def text(self, word="one", name="p.yaml"):
        return self.write(name, CACHED % word)

    def listed(self, *arguments):
        return json.loads(self.regatta(*arguments, "-o", "json").out)

    def test_a_pipeline_is_stored_changed_run_and_deleted_without_a_server(self):
        self.assertIn("No pipelines yet", self.regatta("pipelines").out)
        made = self.regatta("pipelines", "create", self.text(), "--description", "for a test")
        self.assertIn("pipeline kept is stored", made.out)
        again = self.regatta("pipelines", "create", self.text(), code=None)
        self.assertNotEqual(again.returncode, 0)
        self.assertIn('pipeline "kept" exists', again.err)

        self.assertIn("version 1", self.regatta("pipelines", "update", "kept", self.text()).out)
        changed = self.regatta(
            "pipelines", "update", "kept", self.text("two"), "--description", "says two"
        )
        self.assertIn("pipeline kept has version 2 now", changed.out)
        versions = self.regatta("pipelines", "versions", "kept").out.splitlines()
        self.assertEqual(len(versions), 3)
        self.assertIn("says two", versions[1])
        self.assertIn("echo one", self.regatta("pipelines", "show", "kept@1").out)
        self.assertIn("echo two", self.regatta("pipelines", "show", "kept").out)

        out = json.loads(self.regatta("run", "--pipeline", "kept@1", "-o", "json").out)
        self.assertEqual(out["run"]["state"], "succeeded")
        self.assertEqual(out["run"]["pipeline_version"], 1)
        self.assertEqual(out["run"]["source"], "kept@1")
        self.assertEqual(self.regatta("runs", "logs", "last", "b").out, "one\n")
        self.regatta("run", "--pipeline", "kept")
        self.assertEqual(self.regatta("runs", "logs", "last", "b").out, "two\n")
        self.assertEqual(self.listed("runs", "--pipeline", "kept")["total"], 2)
        self.assertEqual(self.listed("runs", "--pipeline", "kept@2")["total"], 1)

        self.assertIn("version 1", self.regatta("pipelines", "delete", "kept@1").out)
        only = self.regatta("pipelines", "delete", "kept@2", code=None)
        self.assertIn("is the only one", only.err)
        self.regatta("pipelines", "delete", "kept")
        self.assertEqual(self.listed("pipelines")["total"], 0)
        self.assertEqual(self.listed("runs")["total"], 2)
        gone = self.regatta("run", "--pipeline", "kept", code=None)
        self.assertIn('there is no pipeline "kept"', gone.err)

    def test_a_stored_pipeline_starts_in_the_current_folder_or_where_it_is_told(self):
        self.regatta(
            "pipelines",
            "create",
            self.write("w.yaml", "name: w\nentry_points: {a: {command: pwd}}"),
        )
        self.regatta("run", "--pipeline", "w")
        self.assertEqual(self.regatta("runs", "logs", "last", "a").out, f"{self.folder}\n")
        (self.folder / "there").mkdir()
        self.regatta("run", "--pipeline", "w", "--directory", "there")
        self.assertEqual(self.regatta("runs", "logs", "last", "a").out, f"{self.folder}/there\n")
        for wrong, part in (
            (("run",), "a pipeline (FILE, or --pipeline NAME)"),
            (("run", "w.yaml", "--pipeline", "w"), "--pipeline"),
            (("run", "--pipeline", "w@x"), "for example train@3"),
            (("run", "--pipeline", "w@7"), 'pipeline "w" has no version 7'),
        ):
            refused = self.regatta(*wrong, code=None)
            self.assertNotEqual(refused.returncode, 0, wrong)
            self.assertIn(part, refused.err)

    def test_bad_texts_are_refused_with_every_problem(self):
        bad = self.write("bad.yaml", "name: bad\nentry_points:\n  a: {deps: b}\n  c: {comand: x}\n")
        refused = self.regatta("pipelines", "create", bad, code=None)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("bad.yaml:3:", refused.err)
        self.assertIn("bad.yaml:4:", refused.err)
        _, api = self.serve()
        answer = api.call("POST", "/api/v1/pipelines", {"yaml": bad.read_text()})
        self.assertEqual(answer.status, 400)
        self.assertGreaterEqual(len(answer.json["error"]["problems"]), 3)
        self.assertEqual(api.call("GET", "/api/v1/pipelines").json["total"], 0)

    def test_artifacts_and_caches_are_listed_and_a_deleted_entry_misses(self):
        self.assertIn("No artifacts yet", self.regatta("artifacts").out)
        self.assertIn("nothing yet", self.regatta("caches").out)
        first, _ = self.run_json(self.text())
        second, steps = self.run_json(self.text())
        self.assertEqual(second["cached_steps"], 2)
        artifacts = self.listed("artifacts", "--run", "last")["items"]
        self.assertEqual([item["name"] for item in artifacts], ["data"])
        self.assertEqual(artifacts[0]["from_run_id"], first["id"])
        self.assertEqual(artifacts[0]["bytes"], 4)
        self.assertEqual(self.listed("artifacts", "list", "--step", "a")["total"], 2)
        self.assertEqual(self.listed("artifacts", "--kind", "folder")["total"], 0)

        caches = self.listed("caches", "--run", first["id"], "--step", "a")["items"]
        self.assertEqual(len(caches), 1)
        shown = self.regatta("caches", "show", caches[0]["id"]).out
        self.assertIn(caches[0]["key"], shown)
        self.assertIn(artifacts[0]["digest"], shown)
        self.regatta("caches", "delete", caches[0]["id"])
        again = self.regatta("caches", "delete", caches[0]["id"], code=None)
        self.assertIn("the cache has no entry", again.err)
        _, steps = self.run_json(self.text())
        self.assertFalse(steps["a"]["cached"])
        self.assertIn("was deleted", steps["a"]["reason"])

    def test_a_run_is_deleted_unless_another_has_its_results(self):
        first, _ = self.run_json(self.text())
        second, _ = self.run_json(self.text())
        refused = self.regatta("runs", "delete", first["id"], code=None)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(second["id"], refused.err)
        self.regatta("runs", "delete", first["id"], "--no-cache-check")
        self.assertFalse((self.home / "runs" / first["id"]).exists())
        self.regatta("runs", "delete", "last")
        self.assertEqual(list((self.home / "runs").iterdir()), [])
        self.assertEqual(self.listed("runs")["total"], 0)
        _, steps = self.run_json(self.text())
        self.assertFalse(steps["a"]["cached"])

    def crash_at(self, point, is_deleted):
        run, _ = self.run_json(self.text())
        server, api = self.serve(REGATTA_FAULT=point)
        path = f"/api/v1/runs/{run['id']}"
        with self.assertRaises(OSError):
            api.call("DELETE", path, headers={"Idempotency-Key": "key-1"})
        server.communicate()
        self.assertEqual(server.returncode, -signal.SIGKILL)
        _, api = self.serve()
        folder = self.home / "runs" / run["id"]
        self.assertEqual(api.call("GET", path).status, 404 if is_deleted else 200)
        self.assertEqual(folder.exists(), not is_deleted)
        steps = api.call("GET", path + "/steps")
        self.assertEqual(steps.json.get("total", 0), 0 if is_deleted else 2)
        answer = api.call("DELETE", path, headers={"Idempotency-Key": "key-1"})
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.json["state"], "deleted")
        self.assertEqual(api.call("GET", path).status, 404)
        self.assertFalse(folder.exists())
        self.assertEqual(api.call("GET", "/api/v1/caches").json["total"], 0)

    def test_a_crash_before_the_deletion_is_stored_leaves_the_run_whole(self):
        self.crash_at("flow.turn.before_commit", is_deleted=False)

    def test_a_crash_after_it_is_stored_leaves_nothing(self):
        self.crash_at("flow.delete.after_commit", is_deleted=True)

    def test_a_crash_before_its_folder_is_removed_leaves_nothing(self):
        self.crash_at("flow.delete.before_folder", is_deleted=True)

    def test_a_crash_before_the_answer_leaves_nothing(self):
        self.crash_at("server.idempotency.before_answer", is_deleted=True)

    def test_repeated_requests_have_one_effect(self):
        _, api = self.serve()
        text = self.text().read_text()
        key = {"Idempotency-Key": "key-1"}
        made = api.call("POST", "/api/v1/pipelines", {"yaml": text}, key)
        self.assertEqual(made.status, 201, made.body)
        self.assertEqual(api.call("POST", "/api/v1/pipelines", {"yaml": text}, key).status, 200)
        self.assertEqual(api.call("POST", "/api/v1/pipelines", {"yaml": text}).status, 409)
        path = f"/api/v1/pipelines/{made.json['id']}"
        same = api.call("POST", path + "/versions", {"yaml": text})
        self.assertEqual((same.status, same.json["version"]), (200, 1))
        for status in (201, 200):
            key = {"Idempotency-Key": "key-2"}
            new = api.call("POST", path + "/versions", {"yaml": text + "# new\n"}, key)
            self.assertEqual((new.status, new.json["version"]), (status, 2))
        # The text counts before a stored pipeline, and a run needs one of the two.
        body = {"yaml": text, "pipeline": "nobody"}
        run = api.call("POST", "/api/v1/runs", body)
        self.assertEqual(run.status, 201, run.body)
        self.assertNotIn("pipeline_id", run.json)
        self.assertEqual(api.call("POST", "/api/v1/runs", {"pipeline": "nobody"}).status, 404)
        self.assertEqual(api.call("POST", "/api/v1/runs", {}).status, 400)
        # What is in the query is part of a request.
        target = f"/api/v1/runs/{run.json['id']}"
        self.wait_until(lambda: "finished_at" in api.call("GET", target).json, "it ends")
        key = {"Idempotency-Key": "key-3"}
        self.assertEqual(api.call("DELETE", target, headers=key).status, 200)
        self.assertEqual(api.call("DELETE", target, headers=key).status, 200)
        other = api.call("DELETE", target + "?check_cache=false", headers=key)
        self.assertEqual(other.status, 409)

    def test_an_unfinished_run_is_neither_deleted_nor_its_pipeline(self):
        gate = self.folder / "gate"
        _, api = self.serve()
        text = (
            "name: slow\nentry_points:\n"
            f"  a: {{command: 'while [ ! -e {gate} ]; do sleep 0.02; done'}}\n"
        )
        made = api.call("POST", "/api/v1/pipelines", {"yaml": text}).json
        run = api.call("POST", "/api/v1/runs", {"pipeline": "slow"}).json
        self.assertEqual(run["pipeline_id"], made["id"])
        for path in (f"/api/v1/runs/{run['id']}?check_cache=false", "/api/v1/pipelines/slow"):
            refused = api.call("DELETE", path)
            self.assertEqual(refused.status, 409, path)
            self.assertIn(run["id"], refused.json["error"]["message"])
        gate.touch()
        told = []
        for _, kind, data in api.events("/api/v1/events?after=0"):
            if kind == "run" and "finished_at" in data:
                self.assertEqual(api.call("DELETE", f"/api/v1/runs/{run['id']}").status, 200)
                self.assertEqual(api.call("DELETE", "/api/v1/pipelines/slow").status, 200)
            told.append(kind)
            if kind == "run_deleted":
                self.assertEqual(data, {"id": run["id"]})
                break
        self.assertEqual(told[-1], "run_deleted")

    def test_runs_and_steps_are_filtered(self):
        _, api = self.serve()
        body = {"yaml": self.text().read_text(), "name": "mine"}
        run = api.call("POST", "/api/v1/runs", body).json
        user = run["created_by"]
        for query, total in (
            ("pipeline=kept", 1),
            ("pipeline=kep", 0),
            (f"created_by={user}&name=MI", 1),
            (f"created_by={user}x", 0),
            ("pipeline_id=" + "0" * 26, 0),
        ):
            answer = api.call("GET", f"/api/v1/runs?{query}")
            self.assertEqual(answer.json["total"], total, query)
        path = f"/api/v1/runs/{run['id']}/steps?name="
        self.assertEqual(api.call("GET", path + "A").json["total"], 1)
        self.assertEqual(api.call("GET", path + "z").json["items"], [])


if __name__ == "__main__":
    os.chdir(pathlib.Path(__file__).parent)
    unittest.main(verbosity=2)
