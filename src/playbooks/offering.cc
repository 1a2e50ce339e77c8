// Whether there is a code and money for this person; and who used theirs.

#include <algorithm>
#include <cmath>
#include <set>

#include "base/check.h"
#include "base/money.h"
#include "playbooks/engine.h"

namespace segue {
namespace {

// The last sequence and moment at which somebody was seen to use a code.
constexpr std::string_view kRedeemedSeen = "offers.redeemed_seen";

}  // namespace

std::optional<Grant> PlaybookEngine::PassesOffer(const ActiveRun& run, const Subject& subject,
                                                 TimePoint not_before, TimePoint now) {
  const Playbook& playbook = this->playbook(run);
  const Offer* offer = workspace_.FindOffer(playbook.offer);
  if (offer == nullptr) {  // The loader refuses it (SG020), but of an earlier version.
    Refuse(subject, Gate::kOffer, "no_code", "this version of the playbook has no offer", now);
    return std::nullopt;
  }
  Subject asked = subject;
  const std::string where = FormatPlace(offer->place, workspace_.files);
  asked.where = where;
  const auto refuse = [&](std::string_view detail) {
    Refuse(asked, Gate::kOffer, "no_code", offer->id + ": " + std::string(detail), now);
    return std::nullopt;
  };
  const Zone zone = host_.ZoneOf(subject.customer);
  if (std::optional<Grant> mine = offers_.OfRun(offer->id, run.id, subject.customer)) {
    if (mine->state == GrantState::kRedeemed) {
      return refuse("they have used it");
    }
    if (mine->expires < not_before) {
      return refuse("theirs was valid until " + zone.Format(mine->expires));
    }
    Say(now, asked, Gate::kOffer, true, "",
        offer->id + ": the one of this run, valid until " + zone.Format(mine->expires));
    return mine;
  }
  Grant grant;
  grant.offer = offer->id;
  grant.customer = subject.customer;
  grant.run = run.id;
  grant.reserved = now;
  grant.expires = ValidUntil(offer->valid, now, zone);
  const int had =
      offers_.CountOf(offer->id, subject.customer, now - offer->per_customer_within, run.held_out);
  if (had >= offer->per_customer) {
    return refuse(std::to_string(offer->per_customer) + " per " +
                  FormatDuration(offer->per_customer_within) + ", and they had " +
                  std::to_string(had));
  }
  if (grant.expires < not_before) {
    return refuse("it would end at " + zone.Format(grant.expires) +
                  ", before the message goes out");
  }
  const std::string chance = host_.CustomerKey(subject.customer) + "/" + std::to_string(run.id) +
                             "/" + std::to_string(ToMicros(now));
  if (!offers_.FindCode(*offer, host_.SecretKey(), chance, grant)) {
    return refuse("no code is left in " + offer->pool_file);
  }
  Say(now, asked, Gate::kOffer, true, "",
      offer->id + ", valid until " + zone.Format(grant.expires));
  if (!PassesBudget(*offer, asked, grant, now)) {
    return std::nullopt;
  }
  if (run.held_out) {
    grant.code.clear();  // It sees the same stock, and takes nothing of it.
  }
  return grant;
}

bool PlaybookEngine::PassesBudget(const Offer& offer, const Subject& subject, Grant& grant,
                                  TimePoint now) {
  if (!offer.budget || !offer.cost) {
    return true;
  }
  const double cost =
      host_.Evaluate(offer.cost->expr, subject.customer, now, std::nullopt, nullptr);
  if (std::isnan(cost)) {
    return Refuse(subject, Gate::kBudget, "over_budget",
                  "what it may cost is not known: " +
                      Looked(*offer.cost, subject.customer, now, std::nullopt),
                  now);
  }
  const std::string& currency = workspace_.schema.currency;
  grant.cost = std::max<std::int64_t>(0, std::llround(cost));
  const std::int64_t taken = offers_.Taken(offer.id, now);
  const std::string detail = FormatMoney(grant.cost, currency) + " beside " +
                             FormatMoney(taken, currency) + " of " +
                             FormatMoney(*offer.budget, currency) + " this month";
  if (taken + grant.cost > *offer.budget) {
    return Refuse(subject, Gate::kBudget, "over_budget", detail, now);
  }
  Say(now, subject, Gate::kBudget, true, "", detail);
  return true;
}

std::map<std::string, std::string> PlaybookEngine::NamesOf(const Grant& grant) const {
  const Offer* offer = workspace_.FindOffer(grant.offer);
  const bool unseen = grant.state == GrantState::kGhost || grant.code.empty();
  return {{"offer.code", offer->has_pool() && unseen ? "SAMPLE" : grant.code},
          {"offer.expires", FormatTime(grant.expires)},
          {"offer.terms", offer->terms}};
}

void PlaybookEngine::TakeRedemptions(TimePoint now) {
  std::set<int> kinds;
  for (const Offer& offer : workspace_.offers) {
    if (offer.redeemed) {
      kinds.insert(*offer.redeemed);
    }
  }
  const std::string before = db_.GetSetting(kRedeemedSeen).value_or("");
  const std::string seen =
      kinds.empty() ? std::string()
                    : std::to_string(host_.LastSequence()) + " " + std::to_string(ToMicros(now));
  if (seen != before) {
    db_.SetSetting(kRedeemedSeen, seen);
  }
  // At the first look all that ever happened: a code that was used before is not given away.
  const std::size_t space = before.find(' ');
  const Sequence sequence = before.empty() ? 0 : std::stoull(before);
  const TimePoint since =
      before.empty() ? TimePoint::min() : FromMicros(std::stoll(before.substr(space + 1)));
  for (const int kind : kinds) {
    for (const std::string& code : host_.FreshCodes(kind, sequence, since, now)) {
      offers_.Redeemed(code);
    }
  }
}

}  // namespace segue
