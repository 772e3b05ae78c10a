"""Real collectives of PyTorch, Paddle, TensorFlow and MPI from Kubeflow's files: each job sums
rank + 1 over its processes, and every one of them must print the right sum.
"""

import json
import os
import pathlib
import unittest

from harness import Case

FRAMEWORKS = pathlib.Path(os.environ["REGATTA_FRAMEWORKS"])

PYTORCH = """\
    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo")
    value = torch.tensor([float(dist.get_rank() + 1)])
    dist.all_reduce(value)
    print("sum", value.item(), "of", dist.get_world_size())
"""

PADDLE = """\
    import os

    os.environ["PADDLE_DISTRI_BACKEND"] = "gloo"
    import paddle
    import paddle.distributed as dist

    paddle.set_device("cpu")
    dist.init_parallel_env()
    value = paddle.to_tensor([float(dist.get_rank() + 1)])
    dist.all_reduce(value)
    print("sum", float(value[0]), "of", dist.get_world_size())
"""

TENSORFLOW = """\
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    index = strategy.cluster_resolver.task_id


    @tf.function
    def total():
        def each():
            context = tf.distribute.get_replica_context()
            return context.all_reduce("sum", tf.constant(float(index + 1)))

        return strategy.run(each)


    print("sum", float(total().numpy()), "of", strategy.num_replicas_in_sync)
"""

MPI = """\
    import numpy
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    value = numpy.array([world.rank + 1.0])
    world.Allreduce(MPI.IN_PLACE, value)
    # In one piece: the lines of several processes meet in one log.
    print(f"sum {value[0]} of {world.size}\\n", end="", flush=True)
"""


class FrameworksTest(Case):
    patience = 180

    def container(self, name, *command):
        return {"template": {"spec": {"containers": [{"name": name, "command": list(command)}]}}}

    def submit(self, kind, spec, script, version="kubeflow.org/v1"):
        """Runs the job to its success; returns what each rank has written."""
        self.write("sum.py", script)
        job = {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": "sum"},
            "spec": spec,
        }
        file = self.write("job.yaml", json.dumps(job))  # JSON is YAML
        ended = json.loads(self.regatta("submit", file, "--output", "json", code=None).out)
        logs = [
            self.regatta("jobs", "logs", "last", "--rank", rank).out
            for rank in range(len(ended["replicas"]))
        ]
        self.assertEqual(ended["state"], "succeeded", "\n".join(logs))
        return logs

    def check(self, logs, text):
        for log in logs:
            self.assertIn(text, log)

    def test_pytorch_sums_over_a_master_and_two_workers(self):
        role = self.container("pytorch", "/usr/bin/python3", "sum.py")
        spec = {"pytorchReplicaSpecs": {"Master": role, "Worker": {"replicas": 2, **role}}}
        self.check(self.submit("PyTorchJob", spec, PYTORCH), "sum 6.0 of 3")

    def test_paddle_sums_over_two_workers(self):
        role = self.container("paddle", str(FRAMEWORKS / "paddle/bin/python"), "sum.py")
        spec = {"paddleReplicaSpecs": {"Worker": {"replicas": 2, **role}}}
        self.check(self.submit("PaddleJob", spec, PADDLE), "sum 3.0 of 2")

    def test_paddle_sums_as_the_older_operator_writes_it(self):
        role = self.container("paddle", str(FRAMEWORKS / "paddle/bin/python"), "sum.py")
        spec = {"cleanPodPolicy": "Never", "worker": {"replicas": 2, **role}}
        logs = self.submit("PaddleJob", spec, PADDLE, "batch.paddlepaddle.org/v1")
        self.check(logs, "sum 3.0 of 2")

    def test_tensorflow_sums_over_two_workers(self):
        role = self.container("tensorflow", str(FRAMEWORKS / "tensorflow/bin/python"), "sum.py")
        spec = {"tfReplicaSpecs": {"Worker": {"replicas": 2, **role}}}
        self.check(self.submit("TFJob", spec, TENSORFLOW), "sum 3.0 of 2")

    def test_mpirun_sums_over_three_slots(self):
        launcher = self.container("launcher", "mpirun", "/usr/bin/python3", "sum.py")
        worker = {"replicas": 3, **self.container("worker")}
        spec = {"mpiReplicaSpecs": {"Launcher": launcher, "Worker": worker}}
        logs = self.submit("MPIJob", spec, MPI, "kubeflow.org/v2beta1")
        # Without -n, mpirun takes all slots of the host file.
        self.assertEqual(logs[0].count("sum 6.0 of 3"), 3, logs[0])


if __name__ == "__main__":
    unittest.main()
