// Settling: holds, causes and moves, for parts of the customers at a time.

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "base/parallel.h"
#include "segments/inner.h"
#include "segments/lanes.h"

namespace segue {
namespace {

constexpr std::int64_t kPeopleForFifths =
    100;  // Fewer, and each new customer shifts the lines noticeably.
constexpr std::uint16_t kRunsMax = 0xffff;

}  // namespace

void Segments::Inner::Refit(Pass& pass) {
  std::vector<bool> due(model.scores.size(), false);
  read.resize(due.size());
  for (std::size_t score = 0; score < due.size(); ++score) {
    read[score].as = ScoreValues::As::kNothing;
  }
  for (std::size_t score = 0; score < due.size(); ++score) {
    const Score& spec = model.scores[score];
    due[score] = spec.learned() && !pinned.contains(spec.name) &&
                 IsFitDue(spec, basis[score], FindFit(score), pass.slot, workspace.schema.timezone);
  }
  if (std::find(due.begin(), due.end(), true) == due.end()) {
    return;
  }
  // What a learned score reads is scored as in a slot that learns nothing: with margins, but for an
  // edit.
  const Learning learning{
      model, pass.people, {pass.now, model.timezone}, pass.edited ? nullptr : &state.steps(), keys};
  const std::vector<std::int64_t> people = Learn(learning, due, pass.margins, pass.lines, read);
  for (std::size_t score = 0; score < due.size(); ++score) {
    if (!due[score] || people[score] == 0) {
      continue;
    }
    pass.result.refitted = true;
    state.StoreFit(model.scores[score].name,
                   {pass.lines[score], pass.slot, people[score], basis[score]});
    if (people[score] < kPeopleForFifths) {
      pass.result.warnings.push_back(
          fmt::format("model {}: the lines of {} were learned from {} people; with fewer than {} a "
                      "few customers shift them, so "
                      "write `cuts` until there are more",
                      model.id, model.scores[score].name, people[score], kPeopleForFifths));
    }
    if (pass.lines[score] != pass.lines_before[score]) {
      pass.refitted = true;
      pass.margins[score] = false;
    }
  }
  ShowLines();
}

// Where the lines lie now is where the next slot looks for them first.
void Segments::WarmUp(const Population& people, TimePoint now) {
  Inner& in = *inner_;
  if (!in.state.last_slot || in.state.count() > people.count()) {
    return;
  }
  in.FollowKeys(people);
  std::vector<bool> often(in.model.scores.size(), false);
  for (std::size_t score = 0; score < often.size(); ++score) {
    const Score& spec = in.model.scores[score];
    often[score] =
        spec.learned() && !in.pinned.contains(spec.name) && spec.refit == segue::Refit::kEveryRun;
  }
  if (std::find(often.begin(), often.end(), true) == often.end()) {
    return;
  }
  in.read.resize(often.size());
  std::vector<LineSet> lines = in.LinesInForce();
  Learn({in.model, people, {now, in.model.timezone}, &in.state.steps(), in.keys}, often,
        in.Margins(), lines, in.read);
  in.ForgetValues();  // They are of now, not of the slot.
}

void Segments::Inner::Part::ReadFlags() {
  const Model& model = inner.model;
  flag_on.resize(model.flags.size(), std::vector<double>(kBlock));
  flag_off.resize(model.flags.size(), std::vector<double>(kBlock));
  for (std::size_t flag = 0; flag < model.flags.size(); ++flag) {
    scorer.Execute(model.flags[flag].on.expr, std::span(flag_on[flag]).first(scorer.count()));
    if (model.flags[flag].off) {
      scorer.Execute(model.flags[flag].off->expr, std::span(flag_off[flag]).first(scorer.count()));
    }
  }
}

void Segments::Inner::Part::StoreValues(CustomerIndex first) {
  const Model& model = inner.model;
  ModelState& state = inner.state;
  const std::span<const Stored> these = std::span(stored).first(scorer.count());
  const bool all =
      std::all_of(these.begin(), these.end(), [](Stored one) { return one == Stored::kAsScored; });
  const auto put = [&]<typename T>(std::span<const T> before, T none, auto at, auto set) {
    std::array<T, kBlock> column;
    for (std::size_t i = 0; i < these.size(); ++i) {
      column[i] = these[i] == Stored::kAsScored ? at(i)
                  : these[i] == Stored::kNone   ? none
                                                : before[i];
    }
    set(std::span<const T>(column).first(these.size()));
  };
  for (std::size_t score = 0; score < model.scores.size(); ++score) {
    if (model.scores[score].steps() > 0) {
      const std::span<const StepCode> codes = scorer.codes(score);
      if (all) {
        state.SetSteps(score, first, codes);
        continue;
      }
      put(
          state.StepsOf(score, first, these.size()), StepCode{0},
          [&](std::size_t i) { return codes[i]; },
          [&](auto column) { state.SetSteps(score, first, column); });
    } else if (all) {
      state.SetScores(score, first, scorer.scores(score));
    } else {
      put(
          state.ScoresOf(score, first, these.size()), kMissing,
          [&](std::size_t i) { return scorer.score(score, i); },
          [&](auto column) { state.SetScores(score, first, column); });
    }
  }
  for (std::size_t feature = 0; state.keeps_features() && feature < model.features.size();
       ++feature) {
    put(
        state.FeaturesOf(feature, first, these.size()), kMissing,
        [&](std::size_t i) { return scorer.feature(feature, i); },
        [&](auto column) { state.SetFeatures(feature, first, column); });
  }
  for (std::size_t flag = 0; flag < model.flags.size(); ++flag) {
    const std::span<const std::uint8_t> before = state.FlagsOf(flag, first, these.size());
    const bool falls = model.flags[flag].off.has_value();
    put(
        before, std::uint8_t{0},
        [&](std::size_t i) {
          const bool turns_off = falls ? IsTrue(flag_off[flag][i]) : !IsTrue(flag_on[flag][i]);
          const bool on = before[i] != 0 ? !turns_off : IsTrue(flag_on[flag][i]);
          return static_cast<std::uint8_t>(on ? 1 : 0);
        },
        [&](auto column) { state.SetFlags(flag, first, column); });
  }
}

void Segments::Inner::Part::DropWait(CustomerIndex customer) {
  if (inner.state.waits().contains(customer)) {
    wishes.all.push_back({Wishes::Wish::Kind::kDropWait, customer, {}, kNoSegment, kNoSegment, {}});
  }
}

void Segments::Inner::Part::MoveTo(Settled& settled, CustomerIndex customer, Cause cause,
                                   std::string text) {
  DropWait(customer);
  Move move;
  move.model = inner.model_index;
  move.customer = inner.base + customer;
  move.from = inner.Shown(settled.segment);
  move.to = settled.answer;
  move.cause = cause;
  move.at = pass.now;
  move.why = std::move(text);
  wishes.all.push_back(
      {Wishes::Wish::Kind::kMove, customer, std::move(move), settled.segment, settled.answer, {}});
  settled.segment = settled.answer;
  settled.since = ToMicros(pass.now);
  settled.runs = 0;
}

void Segments::Inner::Part::Place(const WhyContext& why, CustomerIndex customer, std::size_t i) {
  ModelState& state = inner.state;
  Settled settled = state.settled(customer);
  settled.answer = why.scorer.answer(i);
  settled.bits = static_cast<std::uint8_t>(why.scorer.inside(i) ? Settled::kInside : 0);
  if (settled.answer != kNoSegment) {
    settled.bits |= Settled::kPlaced;
    if (pass.baseline) {
      settled.segment = settled.answer;
      settled.since = ToMicros(pass.now);
    } else {
      MoveTo(settled, customer, PlacedBy(customer),
             inner.silent ? std::string() : WhyPlaced(why, i));
    }
  }
  state.Set(customer, settled);
}

Cause Segments::Inner::Part::PlacedBy(CustomerIndex customer) const {
  return pass.edited && customer < inner.state.known ? Cause::kEdit
         : pass.people.FirstFactWasLate(customer)    ? Cause::kImport
                                                     : Cause::kBehaviour;
}

std::string Segments::Inner::Part::Changed(const WhyContext& why, CustomerIndex customer,
                                           std::size_t i, SegmentIndex from) const {
  return inner.silent ? std::string() : WhyChanged(why, customer, i, from, why.scorer.answer(i));
}

// `before` is the answer with the lines before, where lines were learned at this slot.
void Segments::Inner::Part::SettleOne(const WhyContext& why, CustomerIndex customer, std::size_t i,
                                      std::optional<SegmentIndex> before) {
  const Model& model = inner.model;
  ModelState& state = inner.state;
  Settled settled = state.settled(customer);
  const SegmentIndex answer = why.scorer.answer(i);
  const bool was_pending = settled.runs > 0 && settled.answer == answer;
  settled.bits =
      static_cast<std::uint8_t>(Settled::kPlaced | (why.scorer.inside(i) ? Settled::kInside : 0));
  settled.answer = answer;
  if (answer == settled.segment) {
    settled.runs = 0;
    DropWait(customer);
    state.Set(customer, settled);
    return;
  }
  if (pass.edited &&
      (!was_pending || (settled.segment != kNoSegment && !inner.IsKnown(settled.segment)))) {
    const std::string change = Changed(why, customer, i, settled.segment);
    MoveTo(settled, customer, Cause::kEdit,
           "the model was edited" + (change.empty() ? "" : ": " + change));
    state.Set(customer, settled);
    return;
  }
  if (was_pending) {
    settled.runs = static_cast<std::uint16_t>(std::min<int>(settled.runs + 1, kRunsMax));
  } else {
    const bool refit = before.has_value() && *before == settled.segment;
    settled.runs = 1;
    settled.answer_since = ToMicros(pass.slot);
    settled.cause = static_cast<std::uint8_t>(
        refit ? Cause::kRefit : pass.people.CauseSince(customer).value_or(Cause::kTime));
  }
  const auto cause = static_cast<Cause>(settled.cause);
  const Duration held = pass.slot - FromMicros(settled.answer_since);
  const bool enough = cause == Cause::kRefit ||
                      (model.hold.time > Duration::zero() ? held >= model.hold.time
                                                          : settled.runs >= model.hold.runs);
  if (was_pending && enough) {
    const auto found = state.waits().find(customer);
    MoveTo(settled, customer, cause,
           (found == state.waits().end() ? "" : found->second) + HeldFor(model.hold));
  } else if (enough) {
    const std::string change = Changed(why, customer, i, settled.segment);
    const std::string_view learned = cause != Cause::kRefit ? ""
                                     : pass.people.purchases_learned()
                                         ? "purchases were learned again: "
                                         : "lines were learned again: ";
    MoveTo(settled, customer, cause, std::string(learned) + change);
  } else if (!was_pending) {
    wishes.all.push_back({Wishes::Wish::Kind::kWait,
                          customer,
                          {},
                          kNoSegment,
                          kNoSegment,
                          Changed(why, customer, i, settled.segment)});
  }
  state.Set(customer, settled);
}

void Segments::Inner::Part::SettleBlock(Scorer* before, CustomerIndex first) {
  ModelState& state = inner.state;
  const Model& model = inner.model;
  const WhyContext why{model, inner.workspace, scorer, pass.lines, pass.margins, state};
  ReadFlags();
  const Said was = Says(first);
  const std::size_t wishes_before = wishes.all.size();
  const bool asks = before != nullptr && !pass.edited && !pass.baseline;
  const bool all_asked = asks && inner.is_read;
  if (all_asked) {
    AskBefore(*before, first);
  }
  FindOthers(first);
  if (others.empty()) {
    StoreValues(first);
    Note(was, before, wishes_before, first);
    return;
  }
  // The lines before are asked only where they can matter: to those who may move, and to all where
  // somebody else reads what is said of them.
  bool ask_before = all_asked;
  for (std::size_t at = 0; asks && !ask_before && at < others.size(); ++at) {
    const Settled& settled = state.settled(first + static_cast<CustomerIndex>(others[at]));
    ask_before =
        (settled.bits & Settled::kPlaced) != 0 && settled.segment != scorer.answer(others[at]);
  }
  if (ask_before && !all_asked) {
    AskBefore(*before, first);
  }
  const bool all_alive = pass.people.AllAlive();
  for (const std::size_t i : others) {
    const CustomerIndex customer = first + static_cast<CustomerIndex>(i);
    const bool alive = all_alive || pass.people.IsAlive(customer);
    stored[i] = alive && scorer.inside(i) ? Stored::kAsScored : Stored::kNone;
    const Settled& settled = state.settled(customer);
    if (!alive) {
      DropWait(customer);
      state.Set(customer, Settled{});
    } else if ((settled.bits & Settled::kPlaced) == 0) {
      Place(why, customer, i);
    } else {
      SettleOne(why, customer, i, ask_before ? std::optional(before->answer(i)) : std::nullopt);
    }
  }
  StoreValues(first);
  Note(was, before, wishes_before, first);
}

void Segments::Inner::Part::AskBefore(Scorer& before, CustomerIndex first) {
  if (pass.people.inputs_before() != nullptr) {
    before.Load(first, scorer.count());
  } else {
    before.LoadFrom(scorer);
  }
  before.ComputeScores(pass.lines_before, &inner.state.steps(), pass.margins_before,
                       inner.model.scores.size());
  before.ComputeAnswers();
}

// Nearly everybody stays where they are: who of this block may have something to settle.
void Segments::Inner::Part::FindOthers(CustomerIndex first) {
  others.clear();
  if (!inner.state.waits().empty() || !pass.people.AllAlive()) {
    others.resize(scorer.count());
    std::iota(others.begin(), others.end(), std::size_t{0});
    return;
  }
  const std::span<const Settled> settled = inner.state.settled(first, scorer.count());
  const SegmentIndex* const answers = scorer.answers().data();
  const auto differs = [&](std::size_t i, unsigned bits) {
    const Settled& one = settled.data()[i];
    const SegmentIndex answer = answers[i];
    return ((one.bits ^ bits) | unsigned(one.segment ^ answer) | unsigned(one.answer ^ answer) |
            one.runs) != 0;
  };
  std::fill_n(stored.begin(), settled.size(), Stored::kAsScored);
  constexpr unsigned kStays = Settled::kPlaced | Settled::kInside;
  for (std::size_t i = 0; scorer.all_inside() && i < settled.size(); ++i) {
    if (differs(i, kStays)) {
      others.push_back(i);
    }
  }
  for (std::size_t i = 0; !scorer.all_inside() && i < settled.size(); ++i) {
    const bool inside = scorer.inside(i);
    stored[i] = inside ? Stored::kAsScored : Stored::kNone;
    if (differs(i, inside ? kStays : unsigned{Settled::kPlaced})) {
      others.push_back(i);
    }
  }
}

// In the order of the customers, while others are still asked.
void Segments::Inner::GrantMoves(Pass& pass, Wishes& wishes, Statement& insert) {
  for (Wishes::Wish& wish : wishes.all) {
    if (wish.kind == Wishes::Wish::Kind::kMove) {
      state.StoreMove(wish.move, wish.from, wish.to, insert);
      pass.result.moves.push_back(std::move(wish.move));
    }
  }
}

// What is only granted when all were asked, since they look at it.
void Segments::Inner::GrantRest(const Pass& pass, std::vector<Wishes>& parts) {
  GrantRelearned(pass, parts);
  for (Wishes& wishes : parts) {
    for (Wishes::Wish& wish : wishes.all) {
      if (wish.kind == Wishes::Wish::Kind::kWait) {
        state.SetWait(wish.customer, std::move(wish.text));
      } else if (wish.kind == Wishes::Wish::Kind::kDropWait) {
        state.DropWait(wish.customer);
      }
    }
  }
}

// What is of use at the next slot too is where the lines lie, and room for as many people.
void Segments::Inner::ForgetValues() {
  for (std::size_t score = 0; score < read.size(); ++score) {
    ScoreValues& one = read[score];
    one.as = ScoreValues::As::kNothing;
    const bool often = model.scores[score].refit == segue::Refit::kEveryRun;
    if (!often || !one.hint.empty()) {
      one.values = {};
    }
    if (!often) {
      one.sieve = {};
    }
  }
}

void Segments::Inner::FollowKeys(const Population& people) {
  const bool by_key = std::any_of(model.scores.begin(), model.scores.end(), [](const Score& score) {
    return score.fifths && IsByKey(*score.fifths);
  });
  if (by_key) {
    keys.Follow(people);
  }
}

void Segments::Inner::RunBlocks(Pass& pass) {
  if (!pass.baseline) {
    pass.people.Prepare();
  }
  const std::size_t count = (state.count() + kPartCustomers - 1) / kPartCustomers;
  std::vector<Wishes> parts(count);
  Statement insert = state.PrepareMove();
  const auto settle = [&](std::size_t number) {
    const auto begin = static_cast<CustomerIndex>(number * kPartCustomers);
    const CustomerIndex end = std::min<CustomerIndex>(state.count(), begin + kPartCustomers);
    const Inputs* const inputs_before = pass.people.inputs_before();
    Scorer scorer(model, pass.people, {pass.now, model.timezone}, &keys, nullptr, read);
    std::optional<Scorer> before;
    if (pass.refitted) {
      before.emplace(model, pass.people, Moment{pass.now, model.timezone}, &keys, inputs_before,
                     inputs_before == nullptr ? std::span<const ScoreValues>(read)
                                              : std::span<const ScoreValues>());
    }
    Part part{*this, pass, scorer, parts[number]};
    for (CustomerIndex first = begin; first < end; first += kBlock) {
      const std::size_t size = std::min<std::size_t>(kBlock, end - first);
      if (IsEmpty(pass.people, pass.now, first, size)) {
        continue;
      }
      scorer.Load(first, size);
      scorer.ComputeScores(pass.lines, pass.edited ? nullptr : &state.steps(), pass.margins,
                           model.scores.size());
      scorer.ComputeAnswers();
      part.SettleBlock(before ? &*before : nullptr, first);
    }
  };
  InParallel(count, settle, [&](std::size_t number) { GrantMoves(pass, parts[number], insert); });
  GrantRest(pass, parts);
}

}  // namespace segue
