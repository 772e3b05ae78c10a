"""The API over the wire: logging in, streams that resume, requests that are repeated."""

import os
import pathlib
import signal
import time
import unittest

from harness import Case

HELLO = "name: hello\nentry_points:\n  a: {command: 'echo hello; echo x >> %s'}\n"


class ApiTest(Case):
    def create(self, api, key=None, text=None):
        text = text or HELLO % (self.folder / "effects")
        headers = {"Idempotency-Key": key} if key else {}
        return api.call("POST", "/api/v1/runs", {"yaml": text}, headers)

    def wait_final(self, api, run_id):
        def look():
            run = api.call("GET", f"/api/v1/runs/{run_id}").json
            return run if run["state"] in ("succeeded", "failed", "terminated") else None

        return self.wait_until(look, "the run is final")

    def login(self, api):
        code = self.regatta("console").out.strip().split("#code=")[1]
        return code, api.call("POST", "/api/v1/session", {"code": code}, token=False)

    def test_a_login_code_is_valid_once_and_its_session_outlives_a_restart(self):
        server, api = self.serve()
        code, answer = self.login(api)
        self.assertEqual(answer.status, 200, answer.body)
        cookie = answer.headers["Set-Cookie"]
        self.assertIn("HttpOnly", cookie)
        self.assertIn("SameSite=Strict", cookie)
        again = api.call("POST", "/api/v1/session", {"code": code}, token=False)
        self.assertEqual(again.status, 401)
        session = {"Cookie": cookie.split(";")[0]}
        self.assertEqual(api.call("GET", "/api/v1/runs", headers=session, token=False).status, 200)
        self.end(server)
        server, api = self.serve()
        self.assertEqual(api.call("GET", "/api/v1/runs", headers=session, token=False).status, 200)
        # A session is not the command line: it cannot make more codes.
        made = api.call("POST", "/api/v1/login-codes", {}, session, token=False)
        self.assertEqual(made.status, 403)
        gone = api.call("DELETE", "/api/v1/session", headers=session, token=False)
        self.assertEqual(gone.status, 204)
        self.assertEqual(api.call("GET", "/api/v1/runs", headers=session, token=False).status, 401)

    def test_strangers_get_nothing(self):
        _, api = self.serve()
        for path in ("/api/v1/runs", "/api/v1/events", "/metrics", "/api/v1/topology"):
            self.assertEqual(api.call("GET", path, token=False).status, 401, path)
        wrong = {"Authorization": "Bearer " + "0" * 64}
        self.assertEqual(api.call("GET", "/api/v1/runs", headers=wrong).status, 401)
        for path in ("/healthz", "/readyz", "/api/v1/version", "/"):
            self.assertEqual(api.call("GET", path, token=False).status, 200, path)
        self.assertIn(b"regatta_http_requests_total", api.call("GET", "/metrics").body)

    def test_topology_is_the_machines(self):
        _, api = self.serve()
        topology = api.call("GET", "/api/v1/topology").json
        self.assertEqual(topology["version"], 1)
        self.assertEqual(topology["parts"][0]["kind"], "host")
        self.assertIn("numa", {part["kind"] for part in topology["parts"]})
        picture = api.call("GET", "/api/v1/topology.svg")
        self.assertEqual(picture.headers["Content-Type"], "image/svg+xml")
        self.assertTrue(picture.body.startswith(b"<svg "))

    def test_other_sites_are_refused(self):
        _, api = self.serve()
        evil = api.call("GET", "/api/v1/runs", headers={"Host": "evil.example"})
        self.assertEqual(evil.status, 421)
        _, answer = self.login(api)
        session = {"Cookie": answer.headers["Set-Cookie"].split(";")[0]}
        body = {"yaml": HELLO % (self.folder / "effects")}
        evil = api.call(
            "POST", "/api/v1/runs", body, {**session, "Origin": "http://evil.example"}, token=False
        )
        self.assertEqual(evil.status, 403)
        own = f"http://{api.address.netloc}"
        good = api.call("POST", "/api/v1/runs", body, {**session, "Origin": own}, token=False)
        self.assertEqual(good.status, 201, good.body)

    def test_bad_input_names_what_is_wrong(self):
        _, api = self.serve()
        for body, part in (
            (b"{", "line 1"),
            ({"yaml": 1}, "must be text"),
            ({"yml": "x"}, "did you mean"),
            ({}, "missing"),
            ({"yaml": "x", "working_directory": "here"}, "absolute"),
        ):
            answer = api.call("POST", "/api/v1/runs", body, {"Content-Type": "application/json"})
            self.assertEqual(answer.status, 400, answer.body)
            self.assertIn(part, answer.json["error"]["message"])
        answer = api.call("POST", "/api/v1/runs", {"yaml": "name: x\nentry_points: {a: {b: c}}"})
        self.assertEqual(answer.json["error"]["problems"][0]["line"], 2)
        answer = api.call("POST", "/api/v1/runs", {"yaml": "x" * (4 << 20) + "y"})
        self.assertEqual(answer.status, 413)
        self.assertEqual(api.call("GET", "/api/v1/runs?limit=0").status, 400)
        self.assertEqual(api.call("GET", "/api/v1/runs/nonsense").status, 400)
        self.assertEqual(api.call("GET", "/api/v1/runs/" + "0" * 26).status, 404)
        self.assertEqual(api.call("PUT", "/api/v1/runs", {}).status, 405)
        self.assertEqual(api.call("GET", "/api/v1/nothing").status, 404)

    def test_the_same_key_is_the_same_run(self):
        _, api = self.serve()
        first = self.create(api, "key-1")
        self.assertEqual(first.status, 201, first.body)
        second = self.create(api, "key-1")
        self.assertEqual(second.status, 200)
        self.assertEqual(second.json["id"], first.json["id"])
        other = self.create(api, "key-1", "name: other\nentry_points:\n  a: {command: 'true'}\n")
        self.assertEqual(other.status, 409)
        self.wait_final(api, first.json["id"])
        self.assertEqual(api.call("GET", "/api/v1/runs").json["total"], 1)

    def crash_at(self, point):
        server, api = self.serve(REGATTA_FAULT=point)
        with self.assertRaises(OSError):
            self.create(api, "key-1")
        server.communicate()
        self.assertEqual(server.returncode, -signal.SIGKILL)
        _, api = self.serve()
        answer = self.create(api, "key-1")
        self.assertIn(answer.status, (200, 201), answer.body)
        self.wait_final(api, answer.json["id"])
        self.assertEqual(api.call("GET", "/api/v1/runs").json["total"], 1)
        self.assertEqual(self.effects(), ["x"])

    def test_a_crash_before_the_run_is_made_makes_one_run(self):
        self.crash_at("server.idempotency.before_handler")

    def test_a_crash_before_the_answer_makes_one_run(self):
        self.crash_at("server.idempotency.before_answer")

    def test_events_resume_without_gaps(self):
        _, api = self.serve()
        run_id = self.create(api).json["id"]
        self.wait_final(api, run_id)

        def read(after, most):
            events = []
            for event in api.events(f"/api/v1/events?run_id={run_id}&after=0", after):
                events.append(event)
                last = event[1] == "run" and event[2]["state"] == "succeeded"
                if len(events) == most or last:
                    return events, last
            self.fail("the stream ended")

        whole, _ = read(None, 10_000)
        pieces, after, done = [], 0, False
        while not done:
            events, done = read(after, 2)
            pieces += events
            after = events[-1][0]
        self.assertEqual(pieces, whole)
        self.assertGreater(len(whole), 2)  # more than one piece
        ids = [event[0] for event in whole]
        self.assertEqual(ids, sorted(set(ids)))

    def test_a_stream_is_open_before_anything_happens(self):
        _, api = self.serve()
        connection = api.connect()
        self.addCleanup(connection.close)
        headers = {"Authorization": f"Bearer {api.token}"}
        connection.request("GET", "/api/v1/events", headers=headers)
        response = connection.getresponse()
        self.assertEqual(response.headers["Content-Type"], "text/event-stream")
        self.assertEqual(response.readline(), b": open\n")

    def test_a_runs_counts_are_told_while_it_goes_on_but_not_for_every_step(self):
        steps = 60
        text = "name: many\nparallelism: 2\nentry_points:\n"
        text += "".join(f"  s{i}: {{command: 'true'}}\n" for i in range(steps))
        # The last one waits, so that its predecessors' end is told by itself.
        gate = self.folder / "gate"
        text += f"  last: {{command: 'while [ ! -e {gate} ]; do sleep 0.02; done'}}\n"
        _, api = self.serve()
        began = time.monotonic()
        self.create(api, text=text)
        told = []
        for _, kind, data in api.events("/api/v1/events?after=0"):
            if kind != "run":
                continue
            told.append(data["step_counts"])
            if data["step_counts"].get("succeeded") == steps:
                gate.touch()
            if data["state"] == "succeeded":
                break
        took = time.monotonic() - began
        self.assertEqual(told[-1], {"succeeded": steps + 1})
        # At the start, at the end, and four times a second in between.
        self.assertLessEqual(len(told), took * 4 + 3)
        self.assertTrue(any(0 < counts.get("succeeded", 0) <= steps for counts in told), told)

    def test_two_servers_on_one_machine_do_not_log_each_other_out(self):
        _, first = self.serve()
        _, answer = self.login(first)
        one = answer.headers["Set-Cookie"].split(";")[0]
        home = self.home
        self.home = self.folder / "another"
        self.environment["REGATTA_HOME"] = str(self.home)
        _, second = self.serve()
        _, answer = self.login(second)
        two = answer.headers["Set-Cookie"].split(";")[0]
        self.assertNotEqual(one.split("=")[0], two.split("=")[0])
        # A browser sends both to both.
        both = {"Cookie": f"{one}; {two}"}
        for api in (first, second):
            answer = api.call("GET", "/api/v1/session", headers=both, token=False)
            self.assertEqual(answer.status, 200, home)

    def test_logs_follow_and_resume(self):
        gate = self.folder / "gate"
        text = (
            "name: logs\nentry_points:\n"
            f"  a: {{command: 'echo one; while [ ! -e {gate} ]; do sleep 0.02; done; echo two'}}\n"
        )
        _, api = self.serve()
        run_id = self.create(api, text=text).json["id"]
        step = self.wait_until(
            lambda: [
                step
                for step in api.call("GET", f"/api/v1/runs/{run_id}/steps").json["items"]
                if step["state"] == "running"
            ],
            "the step runs",
        )[0]["id"]
        path = f"/api/v1/runs/{run_id}/steps/{step}/logs/stream"
        offset, kind, data = next(api.events(path))
        self.assertEqual((kind, data["text"]), ("log", "one\n"))
        gate.touch()
        rest = list(api.events(path, offset))
        self.assertEqual("".join(event[2].get("text", "") for event in rest), "two\n")
        self.assertEqual(rest[-1][1], "end")
        self.assertEqual(self.regatta("runs", "logs", "last", "a", "--follow").out, "one\ntwo\n")

    def test_the_log_of_a_step_that_writes_nothing_is_empty(self):
        _, api = self.serve()
        run_id = self.create(api, text="name: quiet\nentry_points: {a: {command: 'true'}}\n").json[
            "id"
        ]
        self.wait_final(api, run_id)
        step = api.call("GET", f"/api/v1/runs/{run_id}/steps").json["items"][0]["id"]
        path = f"/api/v1/runs/{run_id}/steps/{step}/logs"
        log = api.call("GET", path)
        self.assertEqual(log.status, 200, log.body)
        self.assertEqual(log.json, {"offset": 0, "next_offset": 0, "total": 0, "text": ""})
        self.assertEqual(api.call("GET", path + "?rank=1").status, 404)
        self.assertEqual(self.regatta("runs", "logs", "last", "a").out, "")

    def test_artifacts_cannot_run_in_our_origin(self):
        text = """\
            name: artifacts
            entry_points:
              a:
                artifacts: {output: [page, picture]}
                command: >-
                  printf '<script>alert(1)</script>\\001' > {{page}};
                  printf '\\211PNG\\r\\n\\032\\n....' > {{picture}}
            """
        _, api = self.serve()
        run_id = self.create(api, text=text).json["id"]
        self.assertEqual(self.wait_final(api, run_id)["state"], "succeeded")
        step = api.call("GET", f"/api/v1/runs/{run_id}/steps").json["items"][0]["id"]
        base = f"/api/v1/runs/{run_id}/steps/{step}/artifacts"
        page = api.call("GET", f"{base}/page/content")
        self.assertEqual(page.headers["Content-Type"], "application/octet-stream")
        self.assertIn("attachment", page.headers["Content-Disposition"])
        picture = api.call("GET", f"{base}/picture/content")
        self.assertEqual(picture.headers["Content-Type"], "image/png")
        self.assertIn("sandbox", picture.headers["Content-Security-Policy"])
        self.assertEqual(picture.headers["X-Content-Type-Options"], "nosniff")
        for path in ("../../../../token", "/etc/passwd", "..%2ftoken"):
            answer = api.call("GET", f"{base}/page/content?path={path}")
            self.assertGreaterEqual(answer.status, 400, path)

    def test_secrets_stay_out_of_logs_and_process_lists(self):
        server, api = self.serve(REGATTA_LOG="debug")
        code, answer = self.login(api)
        cookie = answer.headers["Set-Cookie"].split(";")[0].split("=")[1]
        run_id = self.create(api).json["id"]
        self.wait_final(api, run_id)
        arguments = b"".join(
            (entry / "cmdline").read_bytes()
            for entry in pathlib.Path("/proc").glob("[0-9]*")
            if (entry / "cmdline").exists()
        )
        self.end(server)
        database = (self.home / "regatta.db").read_bytes()
        for secret in (api.token, code, cookie):
            self.assertNotIn(secret, server.err)
            self.assertNotIn(secret.encode(), arguments)
            self.assertNotIn(secret.encode(), database)
        refused = self.regatta("serve", "--store", "postgresql://a:secret1@127.0.0.1/x", code=2)
        self.assertNotIn("secret1", refused.err)


if __name__ == "__main__":
    os.chdir(pathlib.Path(__file__).parent)
    unittest.main(verbosity=2)
