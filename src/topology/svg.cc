#include "topology/svg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>

#include "topology/text.h"

namespace regatta::topology {
namespace {

constexpr std::size_t kMostHosts = 16;
constexpr double kPad = 10;    // between a box and what is in it
constexpr double kTitle = 20;  // the line of text at the top of a box
constexpr double kLeafWidth = 122;
constexpr double kLeafHeight = 46;
constexpr double kMostRow = 1240;   // boxes beyond it go to the next row
constexpr double kCharacter = 6.4;  // of 11 px text, wide ones
// Okabe and Ito's colours, which people with any colour vision tell apart, and two more.
constexpr std::array kRailColours = {"#0072b2", "#e69f00", "#009e73", "#cc79a7",
                                     "#d55e00", "#56b4e9", "#8a6d00", "#6b5bb5"};

struct Box {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
};

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  std::string number = text;
  if (number.ends_with(".0")) number.resize(number.size() - 2);
  return number;
}

std::string Escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // Control characters do not exist in XML 1.0.
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

// What fits; the end of it is dots where something was cut.
std::string Fit(const std::string& text, double width) {
  const auto most = static_cast<std::size_t>(std::max(width / kCharacter, 1.0));
  if (text.size() <= most) return text;
  std::size_t end = most - 1;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

std::string RailColour(int rail) {
  return kRailColours[static_cast<std::size_t>(rail) % kRailColours.size()];
}

const char* ClassOf(PartKind kind) {
  switch (kind) {
    case PartKind::kHost:
      return "host";
    case PartKind::kSocket:
      return "socket";
    case PartKind::kNuma:
      return "numa";
    case PartKind::kNic:
      return "nic";
    case PartKind::kAccelerator:
      return "accelerator";
    case PartKind::kSwitch:
      return "switch";
    case PartKind::kHostBridge:
    case PartKind::kBridge:
      return "bridge";
    default:
      return "cores";
  }
}

class Picture {
 public:
  explicit Picture(const Topology& topology) : topology_(topology), boxes_(topology.parts.size()) {
    children_.resize(topology.parts.size());
    for (std::size_t i = 0; i < topology.parts.size(); ++i) {
      const int parent = topology.parts[i].parent;
      if (parent >= 0 && Shown(static_cast<int>(i))) {
        children_[static_cast<std::size_t>(parent)].push_back(static_cast<int>(i));
      }
    }
    PutSwitchesIntoHosts();
  }

  std::string Render() {
    std::vector<int> hosts = topology_.All(PartKind::kHost);
    const std::size_t more = hosts.size() > kMostHosts ? hosts.size() - kMostHosts : 0;
    hosts.resize(hosts.size() - more);
    for (const int host : hosts) Measure(host);
    double width = 0;
    double y = 2 * kPad;
    for (const Row& row : Rows(hosts)) {
      double x = 2 * kPad;
      for (const int part : row.parts) {
        Place(part, x, y);
        x += At(part).width + 2 * kPad;
      }
      width = std::max(width, x);
      y += row.height + 2 * kPad;
    }
    PlaceSwitches(hosts, &width, &y);
    for (const int host : hosts) Draw(host);
    DrawSwitches();
    if (more > 0) {
      Text(2 * kPad, y + 4, "note", "and " + std::to_string(more) + " more hosts");
      y += 2 * kPad;
    }
    return Head(width, y) + body_ + "</svg>\n";
  }

 private:
  struct Row {
    std::vector<int> parts;
    double height = 0;
  };

  Box& At(int part) { return boxes_[static_cast<std::size_t>(part)]; }
  const Part& PartAt(int part) const { return topology_.parts[static_cast<std::size_t>(part)]; }
  const std::vector<int>& Children(int part) const {
    return children_[static_cast<std::size_t>(part)];
  }

  // A switch that joins the devices of one host is a part of that host.
  void PutSwitchesIntoHosts() {
    for (const int hub : topology_.All(PartKind::kSwitch)) {
      int host = -1;
      bool one_host = true;
      for (const Link& link : topology_.links) {
        if (link.a != hub && link.b != hub) continue;
        const int other = topology_.Above(link.a == hub ? link.b : link.a, PartKind::kHost);
        one_host = one_host && link.kind == LinkKind::kNvlink && (host < 0 || host == other);
        host = other;
      }
      if (host < 0 || !one_host) continue;
      children_[static_cast<std::size_t>(host)].push_back(hub);
      inside_.insert(hub);
    }
  }

  // "joins 8 GPUs".
  std::string GpusAt(int hub) const {
    const auto count =
        std::count_if(topology_.links.begin(), topology_.links.end(),
                      [&](const Link& link) { return link.a == hub || link.b == hub; });
    return "joins " + std::to_string(count) + " GPUs";
  }

  // Caches say little in a picture of how devices are wired; what is in them is told by the text.
  bool Shown(int part) const { return PartAt(part).kind != PartKind::kCache && !InCache(part); }
  bool InCache(int part) const {
    const int parent = PartAt(part).parent;
    return parent >= 0 && PartAt(parent).kind == PartKind::kCache;
  }

  std::vector<Row> Rows(const std::vector<int>& parts) {
    std::vector<Row> rows;
    double width = 0;
    for (const int part : parts) {
      if (rows.empty() || width + At(part).width > kMostRow) {
        rows.emplace_back();
        width = 0;
      }
      rows.back().parts.push_back(part);
      rows.back().height = std::max(rows.back().height, At(part).height);
      width += At(part).width + kPad;
    }
    return rows;
  }

  void Measure(int part) {
    Box& box = At(part);
    if (Children(part).empty()) {
      box.width = kLeafWidth;
      box.height = kLeafHeight;
      return;
    }
    for (const int child : Children(part)) Measure(child);
    box.height = kTitle + kPad;
    // The title gets some room of its own.
    box.width =
        std::min(static_cast<double>(Title(part).size()) * kCharacter + 2 * kPad, 2.5 * kLeafWidth);
    for (const Row& row : Rows(Children(part))) {
      double width = kPad;
      for (const int child : row.parts) width += At(child).width + kPad;
      box.width = std::max(box.width, width);
      box.height += row.height + kPad;
    }
  }

  void Place(int part, double x, double y) {
    At(part).x = x;
    At(part).y = y;
    double row_y = y + kTitle + kPad;
    for (const Row& row : Rows(Children(part))) {
      double child_x = x + kPad;
      for (const int child : row.parts) {
        Place(child, child_x, row_y);
        child_x += At(child).width + kPad;
      }
      row_y += row.height + kPad;
    }
  }

  // Switches that something shown is linked to, side by side below the hosts.
  void PlaceSwitches(const std::vector<int>& hosts, double* width, double* y) {
    for (const Link& link : topology_.links) {
      for (const auto& [end, hub] : {std::pair(link.a, link.b), std::pair(link.b, link.a)}) {
        if (PartAt(hub).kind != PartKind::kSwitch || inside_.contains(hub)) continue;
        const int host = topology_.Above(end, PartKind::kHost);
        if (std::find(hosts.begin(), hosts.end(), host) != hosts.end()) linked_[hub].push_back(end);
      }
    }
    if (linked_.empty()) return;
    std::vector<int> hubs;
    for (const auto& [hub, ends] : linked_) {
      hubs.push_back(hub);
      At(hub).width = kLeafWidth;
      At(hub).height = kLeafHeight;
    }
    *y += 4 * kPad;
    for (const Row& row : Rows(hubs)) {
      const double step =
          std::max(kLeafWidth + kPad, (*width - 4 * kPad) / static_cast<double>(row.parts.size()));
      double x = 2 * kPad + (step - kLeafWidth) / 2;
      for (const int hub : row.parts) {
        At(hub).x = x;
        At(hub).y = *y;
        x += step;
        *width = std::max(*width, x - step + kLeafWidth + 2 * kPad);
      }
      *y += kLeafHeight + 2 * kPad;
    }
  }

  std::string Title(int part) const {
    const Part& one = PartAt(part);
    std::string title = one.name;
    if (one.kind == PartKind::kHost && !one.model.empty()) title += "  " + one.model;
    if (one.kind == PartKind::kSocket && !one.model.empty()) title += "  " + one.model;
    if (one.kind == PartKind::kNuma && one.bytes > 0) title += "  " + BytesText(one.bytes);
    return title;
  }

  std::string Second(int part) const {
    const Part& one = PartAt(part);
    switch (one.kind) {
      case PartKind::kNic:
        return (one.rail >= 0 ? "rail " + std::to_string(one.rail) + "  " : "") +
               SpeedText(one.gigabytes_per_second);
      case PartKind::kAccelerator:
        if (one.model.empty()) return one.vendor;
        return one.model.starts_with(one.vendor + " ") ? one.model.substr(one.vendor.size() + 1)
                                                       : one.model;
      case PartKind::kCores:
        return std::to_string(one.threads) + " threads";
      case PartKind::kSwitch:
        if (one.rail >= 0) return "rail " + std::to_string(one.rail);
        return inside_.contains(part) ? GpusAt(part) : one.vendor;
      default:
        return "";
    }
  }

  void Text(double x, double y, const std::string& kind, const std::string& text) {
    body_ += "<text class=\"" + kind + "\" x=\"" + Number(x) + "\" y=\"" + Number(y) + "\">" +
             Escape(text) + "</text>\n";
  }

  void Draw(int part) {
    const Box& box = At(part);
    const Part& one = PartAt(part);
    const std::string details = Details(topology_, part);
    body_ +=
        "<g><title>" + Escape(one.name + (details.empty() ? "" : ": " + details)) + "</title>\n";
    body_ += std::string("<rect class=\"") + ClassOf(one.kind) + "\" x=\"" + Number(box.x) +
             "\" y=\"" + Number(box.y) + "\" width=\"" + Number(box.width) + "\" height=\"" +
             Number(box.height) + "\" rx=\"6\"/>\n";
    if (one.rail >= 0) {
      body_ += "<rect x=\"" + Number(box.x) + "\" y=\"" + Number(box.y + box.height - 5) +
               "\" width=\"" + Number(box.width) + "\" height=\"5\" rx=\"2.5\" fill=\"" +
               RailColour(one.rail) + "\"/>\n";
    }
    const double room = box.width - kPad;
    Text(box.x + kPad - 2, box.y + 17, "name", Fit(Title(part), room));
    if (Children(part).empty()) Text(box.x + kPad - 2, box.y + 33, "more", Fit(Second(part), room));
    body_ += "</g>\n";
    for (const int child : Children(part)) Draw(child);
  }

  void DrawSwitches() {
    for (const auto& [hub, ends] : linked_) {
      const Box& to = At(hub);
      const int rail = PartAt(hub).rail;
      for (const int end : ends) {
        const Box& from = At(end);
        const double x1 = from.x + from.width / 2;
        const double y1 = from.y + from.height;
        const double x2 = to.x + to.width / 2;
        const double middle = (y1 + to.y) / 2;
        lines_ += "<path class=\"link\" stroke=\"" + (rail >= 0 ? RailColour(rail) : "#55606e") +
                  "\" d=\"M" + Number(x1) + " " + Number(y1) + " C" + Number(x1) + " " +
                  Number(middle) + " " + Number(x2) + " " + Number(middle) + " " + Number(x2) +
                  " " + Number(to.y) + "\"/>\n";
      }
    }
    body_ += lines_;
    for (const auto& [hub, ends] : linked_) Draw(hub);
  }

  static std::string Head(double width, double height) {
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + Number(width) + "\" height=\"" +
           Number(height) + "\" viewBox=\"0 0 " + Number(width) + " " + Number(height) +
           "\" font-family=\"system-ui, 'Noto Sans', 'DejaVu Sans', sans-serif\">\n"
           "<style>\n"
           "rect.host{fill:#f7f9fb;stroke:#8896a5}\n"
           "rect.socket{fill:#eef3f8;stroke:#a9b8c7}\n"
           "rect.numa{fill:#ffffff;stroke:#c3cedb}\n"
           "rect.bridge{fill:#f4f1fa;stroke:#b9aed6}\n"
           "rect.cores{fill:#e6eff9;stroke:#9dbbe0}\n"
           "rect.accelerator{fill:#e6f4e1;stroke:#76b900}\n"
           "rect.nic{fill:#fdf1de;stroke:#dba54a}\n"
           "rect.switch{fill:#ffffff;stroke:#55606e;stroke-width:1.5}\n"
           "path.link{fill:none;stroke-width:1.6;stroke-opacity:.45}\n"
           "text{fill:#1c2733;font-size:11px}\n"
           "text.name{font-weight:600}\n"
           "text.more,text.note{fill:#526071}\n"
           "</style>\n"
           "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  }

  const Topology& topology_;
  std::vector<Box> boxes_;
  std::vector<std::vector<int>> children_;
  std::map<int, std::vector<int>> linked_;  // for each switch what is at it
  std::set<int> inside_;                    // switches that are drawn in their host
  std::string lines_;
  std::string body_;
};

}  // namespace

std::string RenderSvg(const Topology& topology) { return Picture(topology).Render(); }

}  // namespace regatta::topology
