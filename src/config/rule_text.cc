#include "config/rule_text.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "config/forms.h"

namespace segue {

std::string FormatRule(const Insight& insight, const Schema& schema, const InsightRule& rule) {
  const auto name = [&](int action) {
    const int event = insight.actions[static_cast<std::size_t>(action)].event;
    return schema.events[static_cast<std::size_t>(event)].name;
  };
  std::string text = fmt::format("{} {}", name(rule.action), rule.times);
  if (rule.other >= 0) {
    text += fmt::format(" and {} {}", name(rule.other), rule.other_times);
  }
  const Duration within = insight.within[static_cast<std::size_t>(rule.within)];
  return text + " within " + FormatDuration(within);
}

std::optional<InsightRule> ParseRule(const Insight& insight, const Schema& schema,
                                     std::string_view text) {
  const std::vector<std::string_view> words = Split(text, ' ');
  const bool pair = words.size() == 7 && words[2] == "and";
  if ((!pair && words.size() != 4) || words[words.size() - 2] != "within") {
    return std::nullopt;
  }
  const auto action = [&](std::string_view name) {
    for (std::size_t i = 0; i < insight.actions.size(); ++i) {
      if (schema.events[static_cast<std::size_t>(insight.actions[i].event)].name == name) {
        return static_cast<int>(i);
      }
    }
    return -1;
  };
  const auto times = [](std::string_view word) {
    const auto count = ParseCount(word);
    return count && *count >= 1 && *count <= 100 ? static_cast<int>(*count) : 0;
  };
  InsightRule rule{.action = action(words[0]), .times = times(words[1])};
  if (pair) {
    rule.other = action(words[3]);
    rule.other_times = times(words[4]);
  }
  const auto within = ParseDuration(words.back());
  const auto place =
      std::find(insight.within.begin(), insight.within.end(), within.value_or(Duration::zero()));
  rule.within = static_cast<int>(place - insight.within.begin());
  const bool known = rule.action >= 0 && rule.times > 0 && place != insight.within.end() &&
                     (!pair || (rule.other >= 0 && rule.other_times > 0));
  return known ? std::optional(rule) : std::nullopt;
}

}  // namespace segue
