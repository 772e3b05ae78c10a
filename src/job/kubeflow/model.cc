#include "job/kubeflow/model.h"

#include <charconv>

namespace regatta::job {

std::string_view KindName(TrainingKind kind) {
  switch (kind) {
    case TrainingKind::kPyTorch:
      return "PyTorchJob";
    case TrainingKind::kTensorFlow:
      return "TFJob";
    case TrainingKind::kPaddle:
      return "PaddleJob";
    case TrainingKind::kMpi:
      break;
  }
  return "MPIJob";
}

std::optional<double> ParseQuantity(std::string_view text) {
  constexpr std::pair<std::string_view, double> kSuffixes[] = {{"", 1},
                                                               {"n", 1e-9},
                                                               {"u", 1e-6},
                                                               {"m", 1e-3},
                                                               {"k", 1e3},
                                                               {"K", 1e3},
                                                               {"M", 1e6},
                                                               {"G", 1e9},
                                                               {"T", 1e12},
                                                               {"P", 1e15},
                                                               {"E", 1e18},
                                                               {"Ki", 1024},
                                                               {"Mi", 1024.0 * 1024},
                                                               {"Gi", 1073741824.0},
                                                               {"Ti", 1099511627776.0},
                                                               {"Pi", 1125899906842624.0}};
  double number = 0;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [stop, error] = std::from_chars(begin, end, number);
  if (error != std::errc() || !(number >= 0) || number > 1e18) return std::nullopt;
  const std::string_view suffix(stop, static_cast<std::size_t>(end - stop));
  for (const auto& [name, factor] : kSuffixes) {
    if (suffix == name) return number * factor;
  }
  return std::nullopt;
}

std::string ExpandReferences(std::string_view text, const std::map<std::string, std::string>& env,
                             std::size_t most) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (result.size() >= most) return result.append(text.substr(i));
    if (text[i] != '$' || i + 1 == text.size()) {
      result += text[i];
      continue;
    }
    if (text[i + 1] == '$') {
      result += '$';
      ++i;
      continue;
    }
    const std::size_t close = text[i + 1] == '(' ? text.find(')', i) : std::string_view::npos;
    if (close == std::string_view::npos) {
      result += '$';
      continue;
    }
    const auto known = env.find(std::string(text.substr(i + 2, close - i - 2)));
    result += known != env.end() ? std::string_view(known->second) : text.substr(i, close - i + 1);
    i = close;
  }
  return result;
}

}  // namespace regatta::job
