// What a slot says only because of an edit or of lines that were learned again, and who got a flag
// by what no playbook listens to.

#include <algorithm>
#include <cmath>
#include <utility>

#include "segments/inner.h"

namespace segue {
namespace {

bool IsSaidAlike(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

}  // namespace

Segments::Inner::Part::Said Segments::Inner::Part::Says(CustomerIndex first) const {
  const Model& model = inner.model;
  const ModelState& state = inner.state;
  const std::size_t flags = 1 + model.scores.size(), features = flags + model.flags.size();
  Said said(features + model.features.size());
  if (!inner.is_read || pass.baseline) {
    return said;
  }
  const auto fill = [&](std::size_t item, auto value) {
    said[item].resize(scorer.count());
    for (std::size_t i = 0; i < scorer.count(); ++i) {
      said[item][i] = value(first + static_cast<CustomerIndex>(i));
    }
  };
  for (std::size_t flag = 0; flag < model.flags.size(); ++flag) {
    fill(flags + flag, [&](CustomerIndex customer) {
      return !state.is_inside(customer) ? kMissing : state.flag(flag, customer) ? 1.0 : 0.0;
    });
  }
  if (!pass.edited && !pass.refitted) {
    return said;
  }
  fill(0, [&](CustomerIndex customer) {
    return static_cast<double>(state.settled(customer).segment);
  });
  for (std::size_t score = 0; score < model.scores.size(); ++score) {
    fill(1 + score, [&](CustomerIndex customer) { return state.score(score, customer); });
  }
  for (std::size_t i = 0; state.keeps_features() && i < model.features.size(); ++i) {
    fill(features + i, [&](CustomerIndex customer) { return state.feature(i, customer); });
  }
  return said;
}

std::vector<double> Segments::Inner::Part::FlagBefore(std::size_t flag, std::span<const double> was,
                                                      const Scorer& before) const {
  const Flag& spec = inner.model.flags[flag];
  std::vector<double> on(before.count()), off(before.count());
  before.Execute(spec.on.expr, on);
  if (spec.off) {
    before.Execute(spec.off->expr, off);
  }
  for (std::size_t i = 0; i < on.size(); ++i) {
    const bool turns_off = spec.off ? IsTrue(off[i]) : !IsTrue(on[i]);
    const bool holds = was[i] == 1 ? !turns_off : IsTrue(on[i]);
    on[i] = !before.inside(i) ? kMissing : holds ? 1 : 0;
  }
  return on;
}

Segments::Inner::Part::Said Segments::Inner::Part::WouldSay(const Said& was, const Said& is,
                                                            const Scorer& before,
                                                            std::size_t wishes_before,
                                                            CustomerIndex first) const {
  const Model& model = inner.model;
  Said would = is;
  // A move by what was learned says itself that it would not have happened.
  for (std::size_t i = wishes_before; i < wishes.all.size(); ++i) {
    const Wishes::Wish& wish = wishes.all[i];
    if (wish.kind == Wishes::Wish::Kind::kMove && wish.move.cause == Cause::kRefit) {
      would[0][wish.customer - first] = was[0][wish.customer - first];
    }
  }
  for (std::size_t score = 0; score < model.scores.size(); ++score) {
    for (std::size_t i = 0; i < scorer.count(); ++i) {
      would[1 + score][i] = before.inside(i) ? before.score(score, i) : kMissing;
    }
  }
  const std::size_t flags = 1 + model.scores.size(), features = flags + model.flags.size();
  for (std::size_t flag = 0; flag < model.flags.size(); ++flag) {
    would[flags + flag] = FlagBefore(flag, was[flags + flag], before);
  }
  for (std::size_t feature = 0; feature < model.features.size(); ++feature) {
    for (std::size_t i = 0; i < would[features + feature].size(); ++i) {
      would[features + feature][i] = before.inside(i) ? before.feature(feature, i) : kMissing;
    }
  }
  return would;
}

void Segments::Inner::Part::Note(const Said& was, const Scorer* before, std::size_t wishes_before,
                                 CustomerIndex first) {
  if (!inner.is_read || pass.baseline) {
    return;
  }
  if (!pass.edited && !pass.refitted) {
    NoteFlags(was, {}, first);
    return;
  }
  const Model& model = inner.model;
  const Said is = Says(first);
  // Of an edited model nobody can ask any more what it would have said: only what it said last.
  const Said would = pass.edited ? was : WouldSay(was, is, *before, wishes_before, first);
  NoteFlags(was, would, first);
  const std::size_t flags = 1 + model.scores.size(), features = flags + model.flags.size();
  for (std::size_t item = 0; item < is.size(); ++item) {
    const auto [of, from] = item == 0         ? std::pair(Relearned::Of::kSegment, std::size_t{0})
                            : item < flags    ? std::pair(Relearned::Of::kScore, std::size_t{1})
                            : item < features ? std::pair(Relearned::Of::kFlag, flags)
                                              : std::pair(Relearned::Of::kFeature, features);
    for (std::size_t i = 0; i < is[item].size(); ++i) {
      const CustomerIndex customer = first + static_cast<CustomerIndex>(i);
      if (!IsSaidAlike(is[item][i], would[item][i]) && pass.people.IsAlive(customer)) {
        wishes.relearned.push_back({.of = of,
                                    .index = static_cast<int>(item - from),
                                    .customer = customer,
                                    .before = would[item][i],
                                    .after = is[item][i],
                                    .at = ToMicros(pass.now)});
      }
    }
  }
}

// A flag turns by what a move would be caused by.
void Segments::Inner::Part::NoteFlags(const Said& was, const Said& would, CustomerIndex first) {
  const std::size_t flags = 1 + inner.model.scores.size();
  for (std::size_t flag = 0; flag < inner.model.flags.size(); ++flag) {
    for (std::size_t i = 0; i < was[flags + flag].size(); ++i) {
      const CustomerIndex customer = first + static_cast<CustomerIndex>(i);
      const bool is_on = inner.state.is_inside(customer) && inner.state.flag(flag, customer);
      if (!is_on || was[flags + flag][i] == 1) {
        continue;
      }
      const bool learned = !would.empty() && would[flags + flag][i] != 1;
      const Cause cause = pass.people.CauseSince(customer).value_or(Cause::kTime);
      if (learned || !StartsPlaybooks(cause)) {
        wishes.quiet.emplace_back(static_cast<int>(flag), inner.base + customer);
      }
    }
  }
}

void Segments::Inner::GrantRelearned(const Pass& pass, std::vector<Wishes>& parts) {
  for (std::vector<CustomerIndex>& flagged : quiet) {
    flagged.clear();
  }
  std::vector<Relearned> all;
  for (Wishes& part : parts) {
    all.insert(all.end(), part.relearned.begin(), part.relearned.end());
    for (const auto& [flag, customer] : part.quiet) {
      quiet[static_cast<std::size_t>(flag)].push_back(customer);
    }
  }
  for (std::vector<CustomerIndex>& flagged : quiet) {
    std::sort(flagged.begin(), flagged.end());
  }
  // What an edit changed is one of its readers too, whenever their slot is.
  before_values.Add(all, is_read_by_models && !pass.edited);
}

}  // namespace segue
