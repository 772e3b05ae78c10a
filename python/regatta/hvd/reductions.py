"""How values are combined, with Horovod's numbers."""

import enum

from regatta.eccl import ReduceOp

__all__ = ["Adasum", "Average", "Max", "Min", "Op", "Product", "Sum", "native"]


class Op(enum.IntEnum):
    AVERAGE = 0
    SUM = 1
    ADASUM = 2
    MIN = 3
    MAX = 4
    PRODUCT = 5


Average = Op.AVERAGE
Sum = Op.SUM
Adasum = Op.ADASUM
Min = Op.MIN
Max = Op.MAX
Product = Op.PRODUCT

_NATIVE = {
    Op.AVERAGE: ReduceOp.AVG,
    Op.SUM: ReduceOp.SUM,
    Op.MIN: ReduceOp.MIN,
    Op.MAX: ReduceOp.MAX,
    Op.PRODUCT: ReduceOp.PROD,
}


def native(op: int) -> ReduceOp:
    """Return libeccl's operator; KeyError for Adasum, which it does not have."""
    return _NATIVE[Op(op)]
