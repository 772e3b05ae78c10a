"""The pipelines that are measured, made as text."""

import json
import pathlib


def _text(name: str, parallelism: int, cache: bool, steps: list[str]) -> str:
    head = [f"name: {name}", f"parallelism: {parallelism}"]
    if cache:
        head.append("cache: {enable: true}")
    return "\n".join([*head, "entry_points:", *steps]) + "\n"


def _chain(steps: int, indent: str = "  ", fields: tuple[str, ...] = ()) -> list[str]:
    lines = []
    for i in range(steps):
        lines.append(f"{indent}s{i}:")
        lines += [f"{indent}  {field}" for field in fields or ('command: "true"',)]
        if i:
            lines.append(f"{indent}  deps: s{i - 1}")
    return lines


def chain(steps: int, cache: bool = False) -> str:
    return _text("chain", 8, cache, _chain(steps))


def independent(steps: int, cache: bool = False) -> str:
    """Steps that wait for nothing, each a process of its own without a shell."""
    lines = [f'  s{i}: {{command: ["true"]}}' for i in range(steps)]
    return _text("independent", 8, cache, lines)


def process_chain(steps: int) -> str:
    return _text("process-chain", 8, False, _chain(steps, fields=('command: ["true"]',)))


def mixed(steps: int, cache: bool = False) -> tuple[str, int, int]:
    """A tenth in one chain, three tenths in three loops, the rest in loops of DAGs in DAGs.

    Returns the text, how many steps and DAGs there will be, and how many of these are steps.
    """
    tenth = steps // 10
    length = 10  # of the innermost chains
    nested = steps - 4 * tenth
    inner = min(100, nested // length)
    outer = nested // length // inner
    lines = _chain(tenth)
    for k in range(3):
        lines += [
            f"  fan{k}:",
            f"    loop_argument: {json.dumps(list(range(tenth)))}",
            '    command: "true {{PF_LOOP_ARGUMENT}}"',
        ]
    lines += [
        "  outer:",
        f"    loop_argument: {json.dumps(list(range(outer)))}",
        "    entry_points:",
        "      inner:",
        '        parameters: {o: "{{PF_PARENT.PF_LOOP_ARGUMENT}}"}',
        f"        loop_argument: {json.dumps(list(range(inner)))}",
        "        entry_points:",
    ]
    fields = (
        'parameters: {o: "{{PF_PARENT.o}}", i: "{{PF_PARENT.PF_LOOP_ARGUMENT}}"}',
        'command: "true {{o}} {{i}}"',
    )
    lines += _chain(length, indent=" " * 10, fields=fields)
    leaves = 4 * tenth + outer * inner * length
    return _text("mixed", 1000, cache, lines), leaves + outer + outer * inner, leaves


def realistic(steps: int) -> str:
    """A chain with parameters, artifacts, environment and templates in every step, to be read."""
    lines = []
    for i in range(steps):
        lines += [
            f"  step-{i}:",
            f"    parameters: {{rate: 0.{i}, epochs: {{type: int, default: {i % 50 + 1}}}}}",
            '    env: {SEED: "{{rate}}"}',
            "    command: train --rate {{rate}} --epochs {{epochs}} --out {{model}}",
            "    artifacts:",
            "      output: [model]",
        ]
        if i:
            lines.append(f'      input: {{before: "{{{{step-{i - 1}.model}}}}"}}')
            lines.append(f"    deps: step-{i - 1}")
    return _text("realistic", 10, False, lines)


def write(folder: pathlib.Path, text: str) -> str:
    path = folder / "pipeline.yaml"
    path.write_text(text)
    return str(path)
