// The gates of one step that goes out.  They are asked in the order of docs/meaning.md; each leaves
// one row, and the first that refuses skips the step.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "playbooks/engine.h"

namespace segue {
namespace {

constexpr std::string_view kEmail = "email";

std::string TraitName(const Schema& schema, int trait) {
  return "customer." + schema.customer_traits[static_cast<std::size_t>(trait)].name;
}

std::string YesNoText(const std::string& name, std::optional<bool> answer,
                      const std::string& since) {
  if (!answer) {
    return name + " was never answered";
  }
  return name + " is " + (*answer ? "yes" : "no") + (since.empty() ? "" : " since " + since);
}

// The vendor's own message, by the connector that has it; empty when the words are the template's.
const std::map<std::string, std::string>& UseOf(const Template& message,
                                                const std::string& variant) {
  if (message.variants.empty()) {
    return message.body.use;
  }
  const auto found = std::find_if(message.variants.begin(), message.variants.end(),
                                  [&](const auto& one) { return one.first == variant; });
  return (found == message.variants.end() ? message.variants.front() : *found).second.use;
}

// A vendor's own message is sent by the vendor that has it: of several the one that the template or
// the channel names first.
std::string CarrierOf(const Workspace& workspace, const Template& message,
                      const std::string& variant, const StepNode& at) {
  const auto& use = UseOf(message, variant);
  if (use.empty()) {
    return at.connectors.empty() ? std::string() : at.connectors.front();
  }
  std::vector<std::string> order = {message.via};
  if (const auto channel = workspace.channels.find(message.channel);
      channel != workspace.channels.end()) {
    order.insert(order.end(), channel->second.begin(), channel->second.end());
  }
  const auto found = std::find_if(order.begin(), order.end(),
                                  [&](const std::string& one) { return use.contains(one); });
  return found == order.end() ? use.begin()->first : *found;
}

}  // namespace

bool AllowsAddress(const Workspace& workspace, std::string_view address) {
  const std::vector<std::string>& only = workspace.allow_only;
  return only.empty() || std::any_of(only.begin(), only.end(), [&](const std::string& one) {
           return ToLower(one) == ToLower(address);
         });
}

bool PlaybookEngine::Refuse(const Subject& subject, Gate gate, std::string_view reason,
                            std::string_view detail, TimePoint now) {
  Say(now, subject, gate, false, reason, detail);
  if (subject.run != 0) {
    ++summary_.skipped;
  }
  return false;
}

bool PlaybookEngine::PassesGoalAndExit(ActiveRun& run, const Subject& subject, TimePoint now) {
  const Playbook& playbook = this->playbook(run);
  if (AskEnd(run, now)) {
    return false;
  }
  if (playbook.goal || playbook.exit) {
    Say(now, subject, Gate::kGoalOrExit, true, "", "not yet");
  }
  if (run.overdue) {
    return Refuse(subject, Gate::kOutbox, "stale",
                  "the playbook was paused when this was due, more than " +
                      FormatDuration(workspace_.stale_after) + " ago",
                  now);
  }
  return true;
}

bool PlaybookEngine::PassesTopicConsent(const ActiveRun& run, const Subject& subject,
                                        TimePoint now) {
  const Playbook& playbook = this->playbook(run);
  const auto topic = workspace_.topic_consent.find(playbook.topic);
  if (topic == workspace_.topic_consent.end() || playbook.purpose == Purpose::kService) {
    return true;
  }
  std::string since;
  const std::optional<bool> answer = host_.YesNoTrait(subject.customer, topic->second, &since);
  const std::string detail = YesNoText(TraitName(workspace_.schema, topic->second), answer, since);
  if (answer == false) {
    return Refuse(subject, Gate::kTopicConsent, "no_topic_consent", detail, now);
  }
  Say(now, subject, Gate::kTopicConsent, true, "", detail);
  return true;
}

bool PlaybookEngine::PassesConsent(const ActiveRun& run, const Subject& subject,
                                   const std::string& channel, TimePoint now) {
  // A list at an ad tool is advertising, whatever the playbook is for.
  if (playbook(run).purpose == Purpose::kService && channel != "audience") {
    Say(now, subject, Gate::kConsent, true, "", "service needs none");
    return true;
  }
  const auto consent = workspace_.consent.find(channel);
  if (consent == workspace_.consent.end()) {
    Say(now, subject, Gate::kConsent, true, "", channel + " asks for none");
    return true;
  }
  std::string since;
  const std::optional<bool> answer = host_.YesNoTrait(subject.customer, consent->second, &since);
  const std::string detail =
      YesNoText(TraitName(workspace_.schema, consent->second), answer, since);
  if (answer != true) {
    return Refuse(subject, Gate::kConsent, "no_consent", detail, now);
  }
  Say(now, subject, Gate::kConsent, true, "", detail);
  return true;
}

bool PlaybookEngine::PassesSuppression(const Subject& subject, const std::string& address,
                                       TimePoint now) {
  const std::string why = host_.Suppressed(subject.customer, address);
  if (!why.empty()) {
    return Refuse(subject, Gate::kSuppression, "suppressed", why, now);
  }
  Say(now, subject, Gate::kSuppression, true, "", "");
  return true;
}

bool PlaybookEngine::PassesAddress(const Subject& subject, const std::string& address,
                                   TimePoint now) {
  if (address.empty()) {
    const std::string trait = workspace_.email_trait
                                  ? TraitName(workspace_.schema, *workspace_.email_trait)
                                  : std::string("keys.email");
    return Refuse(subject, Gate::kAddress, "no_address", trait + " no data", now);
  }
  if (!PassesAllowOnly(subject, address, now)) {
    return false;
  }
  Say(now, subject, Gate::kAddress, true, "", address);
  return true;
}

bool PlaybookEngine::PassesAllowOnly(const Subject& subject, const std::string& address,
                                     TimePoint now) {
  return AllowsAddress(workspace_, address) ||
         Refuse(subject, Gate::kAddress, "not_allowed",
                (address.empty() ? "no address" : address) + " is not in sending.allow_only", now);
}

bool PlaybookEngine::PassesSameAddress(const Subject& subject, const std::string& address,
                                       const Template& message, TimePoint now) {
  if (host_.AddressHas(address, message.id, now, workspace_.stale_after)) {
    return Refuse(subject, Gate::kSameAddress, "same_address",
                  address + " was promised " + message.id + " within " +
                      FormatDuration(workspace_.stale_after),
                  now);
  }
  Say(now, subject, Gate::kSameAddress, true, "", "");
  return true;
}

TimePoint PlaybookEngine::HoldForQuietHours(const Subject& subject, const std::string& channel,
                                            TimePoint due, TimePoint now) {
  const std::optional<QuietHours>& quiet = workspace_.quiet_hours;
  const auto held = [&] {
    const auto& channels = quiet->channels;
    return channels.empty() ||
           std::find(channels.begin(), channels.end(), channel) != channels.end();
  };
  if (!quiet || !held()) {
    return due;
  }
  const Zone zone =
      quiet->customer_zone ? host_.ZoneOf(subject.customer) : workspace_.schema.timezone;
  const TimePoint at = AfterQuietHours(*quiet, due, zone);
  if (at == due) {
    if (!db_.thrown_away()) {
      Say(now, subject, Gate::kQuietHours, true, "", zone.Format(due) + " " + zone.name());
    }
  } else {
    Say(now, subject, Gate::kQuietHours, true, "held",
        "until " + FormatTime(at) + ", " + zone.Format(at) + " " + zone.name());
  }
  return at;
}

std::vector<CustomerIndex> PlaybookEngine::Recipients(const ActiveRun& run, const Step& step) {
  if (!IsAccount(run.customer)) {
    return {run.customer};
  }
  if (step.to_everyone) {
    return host_.MembersOf(run.customer);
  }
  const std::optional<CustomerIndex> contact = host_.ContactOf(run.customer);
  return contact ? std::vector{*contact} : std::vector<CustomerIndex>();
}

CustomerIndex PlaybookEngine::PersonOf(const ActiveRun& run) {
  return IsAccount(run.customer) ? host_.ContactOf(run.customer).value_or(run.customer)
                                 : run.customer;
}

void PlaybookEngine::Send(ActiveRun& run, int index, TimePoint now) {
  const StepNode& at = node(run, index);
  const Subject subject = SubjectOf(run, index);
  if (!PassesGoalAndExit(run, subject, now)) {
    return;
  }
  const std::string carrier =
      at.message == nullptr ? std::string() : CarrierOf(workspace_, *at.message, run.variant, at);
  if (carrier.empty()) {
    Refuse(subject, Gate::kRender, "render_error",
           at.message == nullptr ? "there is no template " + at.step->send
                                 : "no connector carries the channel " + at.message->channel,
           now);
    return;
  }
  const std::vector<CustomerIndex> people = Recipients(run, *at.step);
  if (people.empty()) {
    Refuse(subject, Gate::kAddress, "no_address",
           at.step->to_everyone ? "nobody belongs to this account" : NoContact(), now);
  }
  for (const CustomerIndex person : people) {
    SendTo(run, index, person, carrier, now);
  }
}

// Every gate is asked of the person who would be written to, whomever the run is about.
void PlaybookEngine::SendTo(ActiveRun& run, int index, CustomerIndex person,
                            const std::string& carrier, TimePoint now) {
  const StepNode& at = node(run, index);
  const Template& message = *at.message;
  Subject subject = SubjectOf(run, index);
  subject.customer = person;
  const std::string address =
      message.channel != kEmail ? host_.CustomerKey(person) : AddressOf(person);
  std::vector<std::string_view> denied = {"send", PurposeName(playbook(run).purpose)};
  if (at.prints_offer) {
    denied.push_back("offer");
  }
  if (IsAccount(run.customer) && !PassesGlobalHoldout(playbook(run), subject, now)) {
    return;
  }
  if (!PassesPolicies(run, subject, denied, now) || !PassesTopicConsent(run, subject, now) ||
      !PassesConsent(run, subject, message.channel, now) ||
      !PassesSuppression(subject, address, now) || !PassesAddress(subject, address, now) ||
      !PassesSameAddress(subject, address, message, now)) {
    return;
  }
  const std::optional<TimePoint> room = PassesCaps(run, subject, message.channel, now);
  if (!room) {
    return;
  }
  const TimePoint not_before = HoldForQuietHours(subject, message.channel, *room, now);
  Payload payload;
  payload.channel = message.channel;
  payload.template_id = message.id;
  payload.to = address;
  const auto& use = UseOf(message, run.variant);
  payload.name = use.contains(carrier) ? use.at(carrier) : "";  // Of the others' it learns nothing.
  Promise(run, subject, {index, DeliveryKind::kMessage, person}, carrier, std::move(payload),
          not_before, now);
}

std::string PlaybookEngine::NoContact() const {
  if (!workspace_.account_contact_trait) {
    return "keys.account_contact names no trait, so this account has no contact";
  }
  const int trait = workspace_.schema.AccountTrait(*workspace_.account_contact_trait);
  return "account." + workspace_.schema.TraitAt(trait).name + " names no customer";
}

std::string PlaybookEngine::TextOf(const Leaf& leaf, CustomerIndex who) {
  const bool of_account = leaf.kind == Leaf::Kind::kAccountTrait;
  std::optional<CustomerIndex> whose = who;
  if (of_account != IsAccount(who)) {
    whose = of_account ? host_.AccountOf(who) : host_.ContactOf(who);
  }
  if (!whose) {
    return "";
  }
  return host_.TextTrait(*whose,
                         of_account ? workspace_.schema.AccountTrait(leaf.index) : leaf.index);
}

void PlaybookEngine::Task(ActiveRun& run, int index, TimePoint now) {
  const StepNode& at = node(run, index);
  const Step& step = *at.step;
  const Subject subject = SubjectOf(run, index);
  if (!PassesGoalAndExit(run, subject, now)) {
    return;
  }
  if (at.connectors.empty()) {
    Refuse(subject, Gate::kRender, "render_error", "no connector carries the channel task", now);
    return;
  }
  if (!PassesPolicies(run, subject,
                      at.prints_offer ? std::vector<std::string_view>{"task", "offer"}
                                      : std::vector<std::string_view>{"task"},
                      now)) {
    return;
  }
  const CustomerIndex person = PersonOf(run);
  Payload payload;
  payload.channel = "task";
  payload.to = AddressOf(person);
  payload.account = IsAccount(run.customer) ? host_.CustomerKey(run.customer) : "";
  payload.due = now + step.due;
  payload.priority = step.priority;
  if (step.assignee_trait) {
    const Leaf& leaf = step.assignee_trait->leaf;
    payload.assignee = TextOf(leaf, run.customer);
    if (payload.assignee.empty()) {
      Refuse(subject, Gate::kAddress, "no_address", leaf.name + " no data", now);
      return;
    }
  } else {
    const auto named = workspace_.assignees.find(step.assignee);
    payload.assignee = named == workspace_.assignees.end() ? step.assignee : named->second;
  }
  Say(now, subject, Gate::kAddress, true, "", payload.assignee);
  if (step.unless_open) {
    if (host_.HasOpenTask(playbook(run).id, step.id, person)) {
      Refuse(subject, Gate::kSameAddress, "same_address",
             "an earlier task of this step is still open", now);
      return;
    }
    Say(now, subject, Gate::kSameAddress, true, "", "no earlier task of this step is open");
  }
  Promise(run, subject, {index, DeliveryKind::kTask, person}, at.connectors.front(),
          std::move(payload), now, now);
}

void PlaybookEngine::Tell(ActiveRun& run, int index, TimePoint now) {
  const StepNode& at = node(run, index);
  const Subject subject = SubjectOf(run, index);
  const bool set = at.step->kind == Step::Kind::kSet;
  if (at.connectors.empty()) {
    Refuse(subject, Gate::kRender, "render_error",
           std::string("no connector carries the channel ") + (set ? "profile" : "analytics"), now);
    return;
  }
  for (const std::string& connector : at.connectors) {
    const ConnectorSettings* tool = workspace_.FindConnector(connector);
    const bool account = set && tool != nullptr && tool->tells_accounts();
    const CustomerIndex whom = account ? run.customer : PersonOf(run);
    if (IsAccount(whom) && !account && tool != nullptr && !tool->takes_anything()) {
      Refuse(subject, Gate::kAddress, "no_address", NoContact(), now);
      continue;
    }
    Payload payload;
    payload.channel = set ? "profile" : "analytics";
    payload.to = AddressOf(whom);
    payload.account = IsAccount(run.customer) ? host_.CustomerKey(run.customer) : "";
    payload.name = at.step->track;
    Promise(run, subject, {index, set ? DeliveryKind::kSet : DeliveryKind::kTrack, whom}, connector,
            std::move(payload), now, now);
  }
}

bool PlaybookEngine::Promise(ActiveRun& run, const Subject& subject, const Wish& wish,
                             const std::string& connector, Payload payload, TimePoint not_before,
                             TimePoint now) {
  const StepNode& at = node(run, wish.index);
  const Playbook& playbook = this->playbook(run);
  const DeliveryKind kind = wish.kind;
  Delivery delivery;
  delivery.kind = kind;
  delivery.connector = connector;
  delivery.purpose = PurposeName(playbook.purpose);
  delivery.customer = wish.person;
  delivery.customer_key = host_.CustomerKey(wish.person);
  delivery.playbook = playbook.id;
  delivery.run = run.id;
  delivery.step = at.step->id;
  delivery.key = DeliveryKey(workspace_.id, delivery.customer_key, delivery.playbook, run.id,
                             delivery.step, connector);
  delivery.payload = std::move(payload);
  delivery.payload.topic = playbook.topic;
  delivery.created = now;
  delivery.not_before = not_before;
  // Nobody stays in a list because the tool was away for a day.
  delivery.stale_after =
      not_before + (Removes(delivery) ? workspace_.keep : workspace_.stale_after);
  Wording wording{.variant = run.variant, .names = {}, .account = {}};
  std::optional<Grant> grant;
  if (at.prints_offer) {
    grant = PassesOffer(run, subject, not_before, now);
    if (!grant) {
      return false;
    }
    wording.names = NamesOf(*grant);
  }
  if (IsAccount(run.customer) && !IsAccount(wish.person)) {
    wording.account = run.customer;
  }
  const Result<void> rendered =
      host_.Render(playbook, *at.step, wish.person, now, wording, delivery.payload);
  if (!rendered) {
    return Refuse(subject, Gate::kRender, "render_error", rendered.error().message(), now);
  }
  Say(now, subject, Gate::kRender, true, "", "");
  if (this->playbook(run.playbook).status == Status::kShadow) {
    return Refuse(subject, Gate::kOutbox, "shadow", "for " + connector, now);
  }
  if (kind == DeliveryKind::kMessage || kind == DeliveryKind::kTask) {
    run.entered = run.entered.value_or(now);
  }
  if (run.held_out) {
    RememberGhost(delivery, at.prints_offer);
    if (grant && grant->id == 0) {
      offers_.RememberGhost(*grant);
    }
    return Refuse(subject, Gate::kOutbox, kHeldOut, "for " + connector, now);
  }
  const bool fresh = host_.Enqueue(delivery);
  if (grant && fresh) {
    grant->id == 0 ? offers_.Reserve(*grant, delivery.key) : offers_.Print(*grant, delivery.key);
  }
  Say(now, subject, Gate::kOutbox, true, "", fresh ? "for " + connector : "was promised before");
  summary_.promised += fresh ? 1 : 0;
  summary_.messages += fresh && kind == DeliveryKind::kMessage ? 1 : 0;
  return true;
}

}  // namespace segue
