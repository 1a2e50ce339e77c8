// A rule of an insight as text, as it is stored and as tests write it:
// "project_created 3 within 7d", "project_created 2 and teammate_invited 1 within 3d".

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/definitions.h"

namespace segue {

struct InsightRule {
  int action = 0, times = 1;        // Actions are places in Insight::actions.
  int other = -1, other_times = 0;  // -1: none.
  int within = 0;                   // The place in Insight::within.
};

std::string FormatRule(const Insight& insight, const Schema& schema, const InsightRule& rule);
// Nothing where the text is no rule, or an action or a time of it is not in the document.
std::optional<InsightRule> ParseRule(const Insight& insight, const Schema& schema,
                                     std::string_view text);

}  // namespace segue
