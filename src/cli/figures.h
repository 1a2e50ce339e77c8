// Figures with intervals, as the verbs about insights print them.

#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/money.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/terminal.h"
#include "cli/workbench.h"
#include "pipeline/experiments.h"

namespace segue {

// "-4.1 to +8.3"; an end that nothing excludes is three dots.
template <typename Format>
std::string Ends(const Interval& interval, Format format) {
  if (!interval.low && !interval.high) {
    return "anything";
  }
  return (interval.low ? format(*interval.low) : "…") + " to " +
         (interval.high ? format(*interval.high) : "…");
}

// Numbers as whole ones, and amounts of minor units; beyond what those can hold, which no honest
// figure comes near, they say so instead of wrapping.
constexpr double kWholeMax = 9e18;

inline std::string CountText(double number) {
  return !(std::fabs(number) < kWholeMax) ? fmt::format("{:.3g}", number)
                                          : Grouped(std::llround(number));
}

inline std::string MoneyText(double minor_units, const std::string& currency) {
  return !(std::fabs(minor_units) < kWholeMax)
             ? fmt::format("{:.3g} {}",
                           minor_units / std::pow(10, CurrencyDecimals(currency).value_or(2)),
                           currency)
             : FormatMoney(std::llround(minor_units), currency);
}

inline boost::json::value JsonNumber(const std::optional<double>& value) {
  return value ? boost::json::value(*value) : boost::json::value();
}

inline boost::json::array JsonEnds(const Interval& interval) {
  return {JsonNumber(interval.low), JsonNumber(interval.high)};
}

// The moment that an option names; nothing where it is not given.  Throws Failure.
inline std::optional<TimePoint> MomentAt(const std::string& text, const Zone& zone,
                                         std::string_view option) {
  if (text.empty()) {
    return std::nullopt;
  }
  const auto moment = ParseTime(text, zone);
  if (!moment) {
    throw Failure{kUsage, fmt::format("{} {}: a moment such as 2026-03-26 or 2026-03-26T04:00\n",
                                      option, text)};
  }
  return *moment;
}

// The id, or a Failure that names the one that was meant.
template <typename All>
const auto& FindNamed(const All& all, const std::string& id, std::string_view kind) {
  std::vector<std::string> ids;
  for (const auto& one : all) {
    if (one.id == id || (id.empty() && all.size() == 1)) {
      return one;
    }
    ids.push_back(one.id);
  }
  if (ids.empty()) {
    throw Failure{kFindings, fmt::format("no file says `{}:`\n", kind)};
  }
  const std::optional<std::string> near = Nearest(id, ids);
  throw Failure{kUsage, id.empty() ? fmt::format("say which {}: {}\n", kind, Join(ids, ", "))
                                   : fmt::format("there is no {} {}{}\n", kind, id,
                                                 near ? "; did you mean " + *near + "?" : "")};
}

}  // namespace segue
