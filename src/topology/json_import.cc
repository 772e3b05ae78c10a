#include <cmath>

#include "base/suggest.h"
#include "topology/topology.h"

namespace regatta::topology {
namespace {

constexpr int kVersion = 1;
constexpr std::size_t kMostParts = 1'000'000;
constexpr std::size_t kMostLinks = 4'000'000;
constexpr std::size_t kLongestText = 4096;
constexpr int kDeepest = 64;

base::Status Wrong(const std::string& what) {
  return base::Status(base::Code::kInvalidArgument, what);
}

// Reads the fields of one object. The first that is of another type or out of range is kept.
class Fields {
 public:
  Fields(const base::Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) Complain("it is no object");
  }

  const base::Status& status() const { return status_; }
  const std::string& where() const { return where_; }

  void Text(const char* field, std::string* value) {
    const base::Json* found = Find(field);
    if (found == nullptr) return;
    if (!found->is_string() || found->get_ref<const std::string&>().size() > kLongestText) {
      Complain(std::string("\"") + field + "\" is no text of at most 4096 bytes");
      return;
    }
    *value = found->get<std::string>();
  }

  template <typename Number>
  void Integer(const char* field, Number* value, std::int64_t least, std::int64_t most) {
    const base::Json* found = Find(field);
    if (found == nullptr) return;
    // Unsigned numbers above int64's range read as negative ones, which `least` refuses.
    const std::int64_t number = found->is_number_integer() ? found->get<std::int64_t>() : least - 1;
    if (number < least || number > most) {
      Complain(std::string("\"") + field + "\" is no integer from " + std::to_string(least) +
               " to " + std::to_string(most));
      return;
    }
    *value = static_cast<Number>(number);
  }

  void Positive(const char* field, double* value) {
    const base::Json* found = Find(field);
    if (found == nullptr) return;
    const double number = found->is_number() ? found->get<double>() : -1;
    if (!(number >= 0) || !std::isfinite(number)) {
      Complain(std::string("\"") + field + "\" is no number from 0");
      return;
    }
    *value = number;
  }

  void Flag(const char* field, bool* value) {
    const base::Json* found = Find(field);
    if (found == nullptr) return;
    if (!found->is_boolean())
      return Complain(std::string("\"") + field + "\" is not true or false");
    *value = found->get<bool>();
  }

  // One of the words that Name() gives to the values from 0 to `last`.
  template <typename Kind>
  void Word(const char* field, Kind last, Kind* value) {
    std::string word;
    Text(field, &word);
    std::vector<std::string> words;
    for (int i = 0; i <= static_cast<int>(last); ++i) {
      words.emplace_back(Name(static_cast<Kind>(i)));
      if (words.back() != word) continue;
      *value = static_cast<Kind>(i);
      return;
    }
    Complain("\"" + word + "\" is not known as \"" + field + "\"" + base::DidYouMean(word, words));
  }

  void Texts(const char* field, std::map<std::string, std::string>* value) {
    const base::Json* found = Find(field);
    if (found == nullptr) return;
    if (!found->is_object()) return Complain(std::string("\"") + field + "\" is no object");
    for (const auto& [name, text] : found->items()) {
      if (!text.is_string() || text.get_ref<const std::string&>().size() > kLongestText) {
        return Complain(std::string("\"") + field + "\": \"" + name +
                        "\" is no text of at most 4096 bytes");
      }
      (*value)[name] = text.get<std::string>();
    }
  }

  const base::Json* Find(const char* field) const {
    if (!object_.is_object()) return nullptr;
    const auto found = object_.find(field);
    return found == object_.end() ? nullptr : &*found;
  }

 private:
  void Complain(const std::string& what) {
    if (status_.ok()) status_ = Wrong(where_ + ": " + what);
  }

  const base::Json& object_;
  std::string where_;
  base::Status status_;
};

base::Status ReadPart(const base::Json& json, int id, const std::string& name, Topology* out) {
  Fields fields(json, name + ": part " + std::to_string(id));
  Part part;
  int said = id;
  fields.Integer("id", &said, 0, INT32_MAX);
  fields.Word("kind", PartKind::kSwitch, &part.kind);
  fields.Text("name", &part.name);
  fields.Integer("parent", &part.parent, 0, INT32_MAX);
  fields.Integer("index", &part.index, 0, INT32_MAX);
  fields.Text("bus_id", &part.bus_id);
  fields.Text("cpus", &part.cpus);
  fields.Integer("bytes", &part.bytes, 0, INT64_MAX);
  fields.Integer("level", &part.level, 0, 16);
  fields.Integer("cores", &part.cores, 0, INT32_MAX);
  fields.Integer("threads", &part.threads, 0, INT32_MAX);
  fields.Text("vendor", &part.vendor);
  fields.Text("model", &part.model);
  fields.Integer("compute_version", &part.compute_version, 0, 100'000);
  fields.Integer("rail", &part.rail, 0, 1'000'000);
  fields.Positive("gigabytes_per_second", &part.gigabytes_per_second);
  fields.Texts("extra", &part.extra);
  BASE_RETURN_IF_ERROR(fields.status());
  if (said != id) {
    return Wrong(fields.where() + ": its id is " + std::to_string(said) +
                 "; ids are places in the list, from 0");
  }
  if (!part.bus_id.empty()) {
    const std::string normal = NormalBusId(part.bus_id);
    if (normal.empty()) {
      return Wrong(fields.where() + ": \"" + part.bus_id +
                   "\" is no PCI address; it is written as 0000:3b:00.0");
    }
    part.bus_id = normal;
  }
  out->Add(std::move(part));
  return {};
}

base::Status ReadLink(const base::Json& json, std::size_t place, const std::string& name,
                      Topology* out) {
  Fields fields(json, name + ": link " + std::to_string(place));
  Link link{.a = -1, .b = -1};
  fields.Integer("a", &link.a, 0, INT32_MAX);
  fields.Integer("b", &link.b, 0, INT32_MAX);
  fields.Word("kind", LinkKind::kNetwork, &link.kind);
  fields.Flag("measured", &link.measured);
  fields.Positive("gigabytes_per_second", &link.gigabytes_per_second);
  fields.Positive("latency_us", &link.latency_us);
  fields.Integer("count", &link.count, 1, 1'000'000);
  BASE_RETURN_IF_ERROR(fields.status());
  out->links.push_back(link);
  return {};
}

base::Status ReadLimits(const base::Json& json, const std::string& name, Limits* limits) {
  Fields fields(json, name + ": limits");
  fields.Integer("cgroup_version", &limits->cgroup_version, 0, 2);
  fields.Positive("cpus", &limits->cpus);
  fields.Text("cpu_list", &limits->cpu_list);
  fields.Integer("memory_bytes", &limits->memory_bytes, 0, INT64_MAX);
  return fields.status();
}

// A list of the document; an empty one where it may be absent and is.
base::Result<const base::Json*> List(const Fields& document, const char* field, std::size_t most) {
  static const base::Json kNone = base::Json::array();
  const base::Json* found = document.Find(field);
  if (found == nullptr) found = &kNone;
  if (!found->is_array()) return Wrong(document.where() + ": \"" + field + "\" is no list");
  if (found->size() > most) {
    return base::Status(base::Code::kOutOfRange, document.where() + ": \"" + field +
                                                     "\" has more than " + std::to_string(most) +
                                                     " entries");
  }
  return found;
}

// What draws trees calls itself once a level.
base::Status CheckDepth(const Topology& topology, const std::string& name) {
  std::vector<int> depth(topology.parts.size());
  for (std::size_t i = 0; i < depth.size(); ++i) {
    const int parent = topology.parts[i].parent;
    if (parent >= 0) depth[i] = depth[static_cast<std::size_t>(parent)] + 1;
    if (depth[i] > kDeepest) {
      return Wrong(name + ": part " + std::to_string(i) + " is below more than " +
                   std::to_string(kDeepest) + " others; no machine is so deep");
    }
  }
  return {};
}

}  // namespace

base::Result<Topology> FromJson(const base::Json& json, const std::string& name) {
  Fields document(json, name);
  int version = 0;
  document.Integer("version", &version, 0, INT32_MAX);
  BASE_RETURN_IF_ERROR(document.status());
  if (version != kVersion) {
    return Wrong(name + ": \"version\" is " + std::to_string(version) +
                 "; this program reads version 1 of a topology (docs/formats/topology.md)");
  }
  Topology out;
  BASE_ASSIGN_OR_RETURN(const base::Json* parts, List(document, "parts", kMostParts));
  int id = 0;
  for (const base::Json& part : *parts) BASE_RETURN_IF_ERROR(ReadPart(part, id++, name, &out));
  if (out.All(PartKind::kHost).empty()) return Wrong(name + ": there is no host in it");
  BASE_ASSIGN_OR_RETURN(const base::Json* links, List(document, "links", kMostLinks));
  for (const base::Json& link : *links) {
    BASE_RETURN_IF_ERROR(ReadLink(link, out.links.size(), name, &out));
  }
  if (const base::Json* limits = document.Find("limits")) {
    BASE_RETURN_IF_ERROR(ReadLimits(*limits, name, &out.limits));
  }
  BASE_ASSIGN_OR_RETURN(const base::Json* notes, List(document, "notes", 10'000));
  for (const base::Json& note : *notes) {
    if (!note.is_string()) return Wrong(name + ": a note is no text");
    out.notes.push_back(note.get<std::string>());
  }
  if (const base::Status status = Check(out); !status.ok()) {
    return Wrong(name + ": " + status.message());
  }
  BASE_RETURN_IF_ERROR(CheckDepth(out, name));
  return out;
}

}  // namespace regatta::topology
