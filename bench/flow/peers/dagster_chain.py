"""A Dagster job: a chain of N ops that do nothing, run in process; checks that all succeeded."""

import sys

from dagster import DagsterInstance, In, Nothing, Out, job, op

steps = int(sys.argv[1])


@op(out=Out(Nothing))
def first() -> None:
    return None


@op(ins={"after": In(Nothing)}, out=Out(Nothing))
def following() -> None:
    return None


@job
def chain() -> None:
    done = first.alias("s0")()
    for i in range(1, steps):
        done = following.alias(f"s{i}")(after=done)


result = chain.execute_in_process(instance=DagsterInstance.get())
succeeded = sum(event.is_step_success for event in result.all_events)
sys.exit(0 if result.success and succeeded == steps else f"{succeeded} of {steps} ops succeeded")
