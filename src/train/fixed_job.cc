#include "train/fixed_job.h"

#include "base/random.h"

namespace regatta::train {
namespace {

// In which the other ranks may find out themselves that one is gone, and say in what call.
constexpr base::Micros kNotice = 1'000'000;

}  // namespace

FixedJob::FixedJob(FixedJobSpec spec, Launcher* launcher)
    : spec_(std::move(spec)),
      launcher_(launcher),
      token_(base::RandomHex(16)),
      ranks_(PlaceRanks(spec_.hosts, spec_.size)) {
  for (const PlacedRank& rank : ranks_) {
    if (names_.empty() || names_.back() != rank.place.host) names_.push_back(rank.place.host);
  }
}

void FixedJob::Begin() {
  for (const std::string& name : names_) launcher_->AddHost(name);
}

// Rank 0's host says at which address the second host reaches it, and the others at which ones it
// reaches them.
void FixedJob::HostReady(const std::string& /*host*/) {
  if (++ready_ < names_.size()) return;
  launcher_->Ask(names_.front(), Distributed() ? names_[1] : "");
}

void FixedJob::Addressed(const std::string& host, const base::Result<HostAddress>& address) {
  HostAddress known;
  if (address.ok()) {
    known = *address;
  } else if (!IsHere(host)) {
    // The remote shell may know names that the hosts do not; then the host's own name must do.
    known.address = host.substr(host.rfind('@') + 1);
  }
  const bool is_first = host == names_.front();
  if (is_first && !spec_.master_address.empty()) known.address = spec_.master_address;
  if (known.address.empty() || (is_first && known.ports[0].empty())) {
    launcher_->output().Say("host " + host + " does not know at which address others reach it: " +
                            address.status().message() + "; give --network-interface");
    return launcher_->Finish(1);
  }
  addresses_[host] = known;
  if (is_first) {
    for (std::size_t i = 1; i < names_.size(); ++i) launcher_->Ask(names_[i], known.address);
  }
  if (addresses_.size() == names_.size()) StartAll();
}

void FixedJob::StartAll() {
  const HostAddress& master = addresses_.at(names_.front());
  for (const PlacedRank& rank : ranks_) {
    std::vector<std::string> variables;
    if (!IsHere(rank.place.host)) variables = spec_.remote_variables;
    const auto add = [&](const char* name, const std::string& value) {
      variables.push_back(std::string(name) + "=" + value);
    };
    if (Distributed()) {
      // Hosts are what the user says: also two of them on one machine.
      add("ECCL_HOST_ID", rank.place.host);
      add("ECCL_HOST", addresses_.at(rank.place.host).address);
    }
    variables.insert(variables.end(), spec_.variables.begin(), spec_.variables.end());
    for (std::string& variable : PartVariables(rank.part)) {
      variables.push_back(std::move(variable));
    }
    add("ECCL_MASTER_ADDR", master.address);
    add("ECCL_MASTER_PORT", master.ports[0]);
    add("MASTER_ADDR", master.address);
    add("MASTER_PORT", master.ports[1]);
    add("ECCL_JOB_TOKEN", token_);
    add("HOROVOD_HOSTNAME", rank.place.host);
    const std::string name = std::to_string(rank.part.rank);
    launcher_->Start(name, name, rank.place.host, spec_.command, variables);
  }
}

void FixedJob::Ended(const std::string& worker, const End& end) {
  if (end.ok()) {
    if (++ended_ == ranks_.size()) launcher_->Finish(0);
    return;
  }
  const PlacedRank& rank = ranks_[static_cast<std::size_t>(std::stoi(worker))];
  launcher_->ReportEnd("rank " + worker, worker, rank.place.host, end,
                       ranks_.size() > 1 ? "; the others are stopped" : "");
  launcher_->Finish(end.code(), kNotice);
}

void FixedJob::HostLost(const std::string& host, const std::string& why) {
  launcher_->output().Say("host " + host + ": " + why);
  launcher_->Finish(1);
}

}  // namespace regatta::train
