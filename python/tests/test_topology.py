"""regatta.topology over the real library."""

import gc
import json
import pathlib
import threading

import pytest
from regatta import topology
from regatta.topology import Dimension, Distance, Format, Kind, Pattern, Result, Topology

_MACHINES = pathlib.Path(__file__).parents[2] / "src/topology/testdata"


@pytest.fixture
def hgx() -> Topology:
    return topology.load(_MACHINES / "hgx-h100.nccl.xml")


def test_this_machine_is_described() -> None:
    machine = topology.detect()
    assert len(machine.hosts) == 1
    assert sum(part.cores for part in machine.parts(Kind.CORES)) > 0
    assert json.loads(machine.to_text(Format.JSON))["version"] == 1
    assert topology.version() == 100


def test_an_eight_gpu_machine_has_parts_pairs_and_rails(hgx: Topology) -> None:
    gpus, nics = hgx.accelerators, hgx.nics
    assert [gpu.index for gpu in gpus] == list(range(8))
    assert gpus[5].bus_id == "0000:bd:00.0"
    assert (gpus[5].vendor, gpus[5].numa, gpus[5].rail) == ("NVIDIA", 1, None)
    assert gpus[5].host == hgx.hosts[0].id and hgx.hosts[0].parent is None
    assert hgx.pair(gpus[0], gpus[7]).distance == Distance.NVL
    assert hgx.pair(gpus[0], gpus[7]).gigabytes_per_second > 350
    assert hgx.distances([gpus[0], nics[0], nics[4]])[0] == [
        Distance.LOC,
        Distance.PIX,
        Distance.SYS,
    ]
    assert [hgx.nearest_nic(gpu) for gpu in gpus] == nics
    assert [[nic.rail for nic in rail] for rail in hgx.rails] == [[rail] for rail in range(8)]
    assert hgx.find_bus_id("BD:00.0") == gpus[5]
    assert hgx.find_bus_id("01:00.0") is None
    assert hgx.notes == []


def test_texts_can_be_read_back(hgx: Topology) -> None:
    assert Topology.from_text(hgx.to_text(Format.JSON)).to_json() == hgx.to_json()
    again = Topology.from_text(hgx.to_text(Format.NCCL), Format.NCCL)
    assert again.accelerators == hgx.accelerators
    assert hgx.to_text(Format.SVG).startswith("<svg ")
    assert "GPU 0 to GPU 7" in str(hgx)


def test_hosts_are_joined(hgx: Topology) -> None:
    cluster = topology.join([hgx, hgx])
    assert [len(rail) for rail in cluster.rails] == [2] * 8
    first, second = cluster.hosts
    assert len(cluster.parts(Kind.ACCELERATOR, second)) == 8
    pair = cluster.pair(
        cluster.parts(Kind.ACCELERATOR, first)[0], cluster.parts(Kind.ACCELERATOR, second)[0]
    )
    assert (pair.distance, pair.gigabytes_per_second) == (Distance.NET, 50)


def test_a_layout_is_mapped(hgx: Topology) -> None:
    mapping = hgx.map("dp=4,pp=2,tp=8")
    assert mapping.ranks == 64 and mapping.order == ["tp", "dp", "pp"]
    assert mapping.naive_cost_us > 2 * mapping.cost_us
    group = mapping.places[5::8]
    assert len({place.host for place in group}) == 1
    assert [place.device for place in group] == [place.rail for place in group] == list(range(8))
    assert [one.name for one in mapping.dimensions] == ["dp", "pp", "tp"]
    assert mapping.dimensions[2].where.startswith("inside each host")
    assert mapping.to_json()["world_size"] == 64
    assert "in the naive order" in str(mapping)
    own = hgx.map(
        [
            Dimension("halo", 4, Pattern.POINT_TO_POINT, 1e6),
            Dimension("field", 8, Pattern.ALL_TO_ALL, 1e9, 100),
        ]
    )
    assert own.order == ["field", "halo"] and own.ranks == 32


def test_errors_say_what_is_wrong(hgx: Topology, tmp_path: pathlib.Path) -> None:
    with pytest.raises(topology.TopologyError, match="No such file") as caught:
        topology.load(tmp_path / "none.xml")
    assert caught.value.result == Result.NOT_FOUND
    with pytest.raises(topology.TopologyError, match='did you mean "tensor"') as caught:
        hgx.map("tensr=8")
    assert caught.value.result == Result.INVALID_ARGUMENT
    machine = topology.load(_MACHINES / "vm-2-cores.hwloc.xml")
    with pytest.raises(topology.TopologyError, match="has no accelerator") as caught:
        machine.map("dp=2")
    assert caught.value.result == Result.INVALID_USAGE
    assert machine.map("dp=2", devices=2).ranks == 2
    with pytest.raises(topology.TopologyError, match="parts have ids from 0"):
        hgx.pair(0, 100000)
    with pytest.raises(topology.TopologyError, match="there is no host"):
        Topology.from_text('{"version": 1}')


def test_handles_end_with_their_objects(hgx: Topology) -> None:
    mapping = hgx.map("tp=8")
    lost = topology.load(_MACHINES / "hgx-h100.nccl.xml")._handle
    gc.collect()
    with pytest.raises(topology.TopologyError, match="topo is no topology"):
        topology._topology.check(hgx._library.eccl_topo_destroy(lost))
    del hgx
    gc.collect()
    assert len(mapping.places) == 8


def test_threads_share_a_topology(hgx: Topology) -> None:
    results: list[list[list[Distance]]] = []
    threads = [
        threading.Thread(target=lambda: results.append(hgx.distances(hgx.accelerators)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and all(result == results[0] for result in results)
