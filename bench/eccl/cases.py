"""Area eccl: collectives, the back end of torch.distributed, and formats on the wire."""

from bench.eccl import c10d, collectives, wires
from bench.harness.case import Case


def cases(quick: bool) -> list[Case]:
    return [*collectives.cases(quick), *c10d.cases(quick), *wires.cases(quick)]
