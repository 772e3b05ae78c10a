#include "train/placement.h"

#include <utility>

namespace regatta::train {

std::vector<Place> PlacesOf(const std::vector<Host>& hosts) {
  std::vector<Place> places;
  for (const Host& host : hosts) {
    for (int index = 0; index < host.slots; ++index) places.push_back({host.name, index});
  }
  return places;
}

std::vector<Part> PartsOf(const std::vector<Place>& places) {
  std::vector<Part> parts;
  std::vector<std::size_t> first_of_host;
  for (std::size_t rank = 0; rank < places.size(); ++rank) {
    if (rank == 0 || places[rank].host != places[rank - 1].host) first_of_host.push_back(rank);
    parts.push_back({.rank = static_cast<int>(rank),
                     .size = static_cast<int>(places.size()),
                     .local_rank = static_cast<int>(rank - first_of_host.back()),
                     .cross_rank = static_cast<int>(first_of_host.size()) - 1});
  }
  first_of_host.push_back(places.size());
  for (Part& part : parts) {
    const auto host = static_cast<std::size_t>(part.cross_rank);
    part.local_size = static_cast<int>(first_of_host[host + 1] - first_of_host[host]);
    part.cross_size = static_cast<int>(first_of_host.size()) - 1;
  }
  return parts;
}

std::vector<PlacedRank> PlaceRanks(const std::vector<Host>& hosts, int size) {
  std::vector<Place> places = PlacesOf(hosts);
  places.resize(static_cast<std::size_t>(size));
  const std::vector<Part> parts = PartsOf(places);
  std::vector<PlacedRank> ranks;
  for (std::size_t rank = 0; rank < places.size(); ++rank) {
    ranks.push_back({std::move(places[rank]), parts[rank]});
  }
  return ranks;
}

std::vector<std::string> PartVariables(const Part& part) {
  const std::pair<const char*, int> numbers[] = {
      {"HOROVOD_RANK", part.rank},
      {"HOROVOD_SIZE", part.size},
      {"HOROVOD_LOCAL_RANK", part.local_rank},
      {"HOROVOD_LOCAL_SIZE", part.local_size},
      {"HOROVOD_CROSS_RANK", part.cross_rank},
      {"HOROVOD_CROSS_SIZE", part.cross_size},
      {"RANK", part.rank},
      {"WORLD_SIZE", part.size},
      {"LOCAL_RANK", part.local_rank},
      {"LOCAL_WORLD_SIZE", part.local_size},
  };
  std::vector<std::string> variables;
  for (const auto& [name, value] : numbers) {
    variables.push_back(std::string(name) + "=" + std::to_string(value));
  }
  return variables;
}

}  // namespace regatta::train
