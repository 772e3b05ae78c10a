#include <algorithm>

#include "eccl/programs.h"

namespace regatta::eccl {

Program HierarchicalAllReduce(int rank, const std::vector<std::vector<int>>& hosts) {
  const int width = static_cast<int>(hosts.front().size());
  const int count = static_cast<int>(hosts.size());
  const auto mine = std::find_if(hosts.begin(), hosts.end(), [&](const std::vector<int>& host) {
    return std::find(host.begin(), host.end(), rank) != host.end();
  });
  const int place = PositionOf(*mine, rank);
  // The ranks at this place on all hosts, and which parts are theirs: a part per rank.
  Members across;
  for (const auto& host : hosts) across.push_back(host[static_cast<std::size_t>(place)]);
  Owned by_place, by_host;
  for (int i = 0; i < width; ++i) {
    by_place.emplace_back();
    for (int host = 0; host < count; ++host) by_place.back().push_back(i * count + host);
  }
  for (int host = 0; host < count; ++host) by_host.push_back({place * count + host});

  Builder builder("hierarchical", rank, width * count);
  builder.DirectReduceScatter(*mine, by_place, count == 1);
  builder.RingReduceScatter(across, by_host, true);
  builder.RingAllGather(across, by_host);
  builder.DirectAllGather(*mine, by_place);
  for (int part = 0; part < width * count; ++part) builder.CopyToOutput(part);
  return builder.Take();
}

}  // namespace regatta::eccl
