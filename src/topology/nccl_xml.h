#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "topology/topology.h"

namespace regatta::topology {

// NCCL's description of one host (what NCCL_TOPO_DUMP_FILE writes and NCCL_TOPO_FILE reads; NCCL
// source, src/graph/xml.h), version 1:
//
//   <system version="1">
//     <cpu numaid="0" affinity="0000ffff" arch="x86_64" vendor="GenuineIntel" familyid="6"
//     modelid="143">
//       <pci busid="0000:16:00.0" class="0x060400" link_speed="32.0 GT/s PCIe" link_width="16">
//         <pci busid="0000:1b:00.0" class="0x030200" link_speed="32.0 GT/s PCIe" link_width="16">
//           <gpu dev="0" sm="90" rank="0" gdr="1"> <nvlink target="0000:07:00.0" count="18"
//           tclass="0x068000"/> </gpu>
//         </pci>
//         <pci busid="0000:18:00.0" class="0x020700" ...>
//           <nic> <net name="mlx5_0" dev="0" speed="400000" port="1" guid="0x1" maxconn="131072"
//           gdr="1"/> </nic>
//
// A cpu becomes a NUMA node with one host bridge (the format has no others, so GPUs below one cpu
// are PHB, as NCCL sees them), a pci of class 0x0604 a switch, every net a NIC, every NVSwitch
// (tclass 0x0680) that a GPU names a switch. Attributes that the model has no field for are kept in
// Part::extra under "nccl.ELEMENT.ATTRIBUTE" and come back on export. Elements that are not known
// are left out and noted: newer NCCL adds some.
//
// kInvalidArgument as "name:line: what is wrong; what would be right"; kOutOfRange for a limit of
// xml.h.
base::Result<Topology> FromNcclXml(std::string_view xml, const std::string& name);

// One host of `topology` (a part of kind kHost; -1: the only one) in that format. Written is what
// is known; NCCL fills in the rest (ranks, gdr) where it runs. Widths and speeds of PCIe links that
// came from hwloc, which tells their product, are the standard pair that gives it. kInvalidArgument
// where there is no such host, kFailedPrecondition where it has several and none was named.
base::Result<std::string> ToNcclXml(const Topology& topology, int host = -1);

}  // namespace regatta::topology
